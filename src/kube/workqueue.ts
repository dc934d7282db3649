import type { Logger } from 'winston';
import { type Backoff, backoffMs } from '../domain/backoff.ts';
import type { Clock } from '../domain/clock.ts';
import { InvariantError, messageOf, reasonOf, StalledError } from '../domain/errors.ts';
import { systemTimer, type Timer } from './timer.ts';
import type { Workqueue } from './types.ts';

/** What a workqueue is made of. */
export interface WorkqueueOptions {
  readonly clock: Clock;
  /** 0 ≤ x < 1 */
  random(): number;
  /** Delay after failures in a row of one key. Default 500 ms to 5 minutes. */
  readonly backoff?: Backoff;
  readonly log: Logger;
  readonly timer?: Timer;
}

const BACKOFF: Backoff = { baseMs: 500, maxMs: 300_000 };

type Work = (key: string) => Promise<number | undefined>;

/** Makes an empty queue. What is added before `run` waits for it. */
export function createWorkqueue(options: WorkqueueOptions): Workqueue {
  const { clock, random, log, backoff = BACKOFF } = options;
  const waiting = new Set<string>();
  const running = new Set<string>();
  const failures = new Map<string, number>();
  let wake = () => {};

  const add = (key: string): void => {
    waiting.add(key);
    wake();
  };
  const delays = createDelays(clock, options.timer ?? systemTimer, add);

  /** The next key that nobody works on. */
  const take = (): string | undefined => {
    for (const key of waiting) {
      if (running.has(key)) continue;
      waiting.delete(key);
      return key;
    }
    return undefined;
  };

  const fail = (key: string, error: unknown): void => {
    const count = failures.get(key) ?? 0;
    failures.set(key, count + 1);
    const retryInMs = backoffMs(backoff, count, random());
    delays.set(key, retryInMs);
    const fields = { key, reason: reasonOf(error), error: messageOf(error), retryInMs };
    if (error instanceof InvariantError) log.error('work failed', { ...fields, stack: error.stack });
    else log[error instanceof StalledError ? 'error' : 'warn']('work failed', fields);
  };

  const process = async (key: string, work: Work): Promise<void> => {
    running.add(key);
    try {
      const delayMs = await work(key);
      failures.delete(key);
      if (delayMs !== undefined) delays.set(key, delayMs);
    } catch (error) {
      fail(key, error);
    } finally {
      running.delete(key);
      wake();
    }
  };

  const run = async (work: Work, concurrency: number, signal: AbortSignal): Promise<void> => {
    const tasks = new Set<Promise<void>>();
    const start = (key: string): void => {
      const task = process(key, work).finally(() => tasks.delete(task));
      tasks.add(task);
    };
    const startWhatIsThere = (): void => {
      while (!signal.aborted && tasks.size < concurrency) {
        const key = take();
        if (key === undefined) return;
        start(key);
      }
    };
    await new Promise<void>(resolve => {
      // Later than the event that woke us: a task that ends still counts until its last callback has run.
      wake = () => setImmediate(startWhatIsThere);
      delays.start();
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
      startWhatIsThere();
    });
    wake = () => {};
    delays.stop();
    await Promise.all(tasks);
  };

  return { add, addAfter: (key, delayMs) => delays.set(key, delayMs), run };
}

interface Delays {
  /** The earliest of several wins. */
  set(key: string, delayMs: number): void;
  /** Nothing becomes due, and no timer keeps the process alive, before `start` and after `stop`. */
  start(): void;
  stop(): void;
}

/** Keys that are due later, with one timer for the earliest of them. */
function createDelays(clock: Clock, timer: Timer, onDue: (key: string) => void): Delays {
  const dueAtMs = new Map<string, number>();
  let cancel = () => {};
  let isStarted = false;

  const arm = (): void => {
    cancel();
    if (!isStarted || dueAtMs.size === 0) return;
    const earliest = Math.min(...dueAtMs.values());
    cancel = timer.after(earliest - clock.monotonicMs(), fire);
  };
  const fire = (): void => {
    const nowMs = clock.monotonicMs();
    for (const [key, due] of [...dueAtMs]) {
      if (due > nowMs) continue;
      dueAtMs.delete(key);
      onDue(key);
    }
    arm();
  };

  return {
    set: (key, delayMs) => {
      if (delayMs <= 0) {
        onDue(key);
        return;
      }
      const due = clock.monotonicMs() + delayMs;
      if (due >= (dueAtMs.get(key) ?? Number.POSITIVE_INFINITY)) return;
      dueAtMs.set(key, due);
      arm();
    },
    start: () => {
      isStarted = true;
      arm();
    },
    stop: () => {
      isStarted = false;
      cancel();
    },
  };
}
