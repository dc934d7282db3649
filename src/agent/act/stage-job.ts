import { type Backoff, backoffMs } from '../../domain/backoff.ts';
import type { Clock } from '../../domain/clock.ts';
import { isTransient, messageOf, reasonOf } from '../../domain/errors.ts';
import { systemTimer, type Timer, wait } from '../../kube/timer.ts';
import type { Staging } from '../decide/snapshot.ts';
import type { StageProgress, StageRequest, Stager } from '../ports.ts';

/** The one download and installation that runs beside the agent's loop. */
export interface StageJob {
  view(): Staging;
  /** Begins; the job before must be over. */
  start(key: string, request: StageRequest): void;
  /** What was installed turned out to be wrong: it counts as failed from now on. */
  fail(reason: string, message: string): void;
  /** Stops the work, if any, and forgets it. Resolves when nothing is written to the slot any more. */
  abort(): Promise<void>;
}

/** What the background job needs. */
export interface StageJobOptions {
  readonly stager: Stager;
  readonly clock: Clock;
  /** 0 ≤ x < 1 */
  random(): number;
  /** Called when the phase changes and when the work is over. */
  onChange(): void;
  readonly timer?: Timer;
}

const BACKOFF: Backoff = { baseMs: 2_000, maxMs: 60_000 };
const START: StageProgress = { phase: 'Downloading', bytesDone: 0, bytesTotal: 0 };

/** Makes the job. Whatever the stager throws that may pass is tried again, until no byte has come for too long. */
export function createStageJob(options: StageJobOptions): StageJob {
  const { stager, clock, onChange, timer = systemTimer } = options;
  let view: Staging = { type: 'idle' };
  let running: { readonly abort: AbortController; readonly over: Promise<void> } | undefined;

  const work = async (key: string, request: StageRequest, signal: AbortSignal): Promise<void> => {
    let state = { progress: START, retries: 0, note: '' };
    let lastByteMs = clock.monotonicMs();
    const show = (change: Partial<typeof state>) => {
      if (signal.aborted) return;
      const isNewPhase = change.progress !== undefined && change.progress.phase !== state.progress.phase;
      state = { ...state, ...change };
      view = { type: 'running', key, ...state };
      if (isNewPhase) onChange();
    };
    const onRetry = (reason: string, message: string) =>
      show({ retries: state.retries + 1, note: `trying again after ${reason}: ${message}` });
    const onProgress = (progress: StageProgress) => {
      if (progress.bytesDone !== state.progress.bytesDone) lastByteMs = clock.monotonicMs();
      show({ progress });
    };
    show({});
    for (;;) {
      try {
        const image = await stager.stage(request, { signal, onProgress, onRetry });
        view = { type: 'done', key, image };
        return;
      } catch (error) {
        const isStalled = clock.monotonicMs() - lastByteMs >= request.stallMs;
        if (signal.aborted) return;
        if (!isTransient(error) || isStalled) {
          view = { type: 'failed', key, reason: reasonOf(error), message: messageOf(error) };
          return;
        }
        onRetry(reasonOf(error), messageOf(error));
        await wait(timer, backoffMs(BACKOFF, state.retries, options.random()), signal);
        if (signal.aborted) return;
      }
    }
  };

  return {
    view: () => view,
    start(key, request) {
      const abort = new AbortController();
      const over = work(key, request, abort.signal).then(() => {
        if (!abort.signal.aborted) onChange();
      });
      running = { abort, over };
    },
    fail(reason, message) {
      if (view.type !== 'idle') view = { type: 'failed', key: view.key, reason, message };
    },
    async abort() {
      running?.abort.abort();
      await running?.over;
      running = undefined;
      view = { type: 'idle' };
    },
  };
}
