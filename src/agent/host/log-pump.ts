import { type Backoff, backoffMs } from '../../domain/backoff.ts';
import { messageOf, TransientError } from '../../domain/errors.ts';
import type { Timer } from '../../kube/timer.ts';
import type { LogQueue } from './log-queue.ts';
import { type LogRoute, openLogRoute } from './log-routes.ts';

/** Brings lines from a queue to the host's logger. */
export interface LogPump {
  /** There are lines. Returns at once. */
  start(): void;
  /** Tries once more for what waits, for a second at most, and lets go. */
  close(): Promise<void>;
}

/** Where to, and whom to tell. */
export interface LogPumpOptions {
  readonly hostRoot: string;
  readonly timer: Timer;
  onRoute(route: string | undefined, trouble: string): void;
}

/** How the agent calls itself in the host's log. */
export const LOG_IDENTIFIER = 'node-agent';
const BACKOFF: Backoff = { baseMs: 500, maxMs: 30_000 };
const WRITE_MS = 5_000;
const CLOSE_MS = 1_000;
const NO_LOGGER = 'neither /run/systemd/journal/stdout nor /dev/log is there';

interface State {
  route: LogRoute | undefined;
  /** The route that was told of last; empty if it was that there is none. */
  told: string | undefined;
  failures: number;
  working: Promise<void> | undefined;
  cancelRetry: (() => void) | undefined;
  isClosing: boolean;
}

/** Makes the one pump of a queue: one batch at a time, and later and later again while nobody takes them. */
export function createLogPump(queue: LogQueue, options: LogPumpOptions): LogPump {
  const { timer } = options;
  const state: State = {
    ...{ route: undefined, told: undefined, working: undefined, cancelRetry: undefined },
    ...{ failures: 0, isClosing: false },
  };

  const retryLater = (): void => {
    if (state.isClosing) return;
    state.cancelRetry = timer.after(backoffMs(BACKOFF, state.failures, 1), () => {
      state.cancelRetry = undefined;
      start();
    });
    state.failures += 1;
  };

  const work = async (): Promise<void> => {
    for (let lines = queue.peek(); lines.length > 0; lines = queue.peek()) {
      if (!(await handOver(lines, state, options))) return retryLater();
      queue.remove(lines.length);
    }
  };

  const start = (): void => {
    if (state.working || state.cancelRetry) return;
    state.working = work().finally(() => {
      state.working = undefined;
      // What came between the last look and now.
      if (!state.cancelRetry && !state.isClosing && queue.peek().length > 0) start();
    });
  };

  const close = async (): Promise<void> => {
    state.isClosing = true;
    state.cancelRetry?.();
    state.cancelRetry = undefined;
    start();
    await within(timer, CLOSE_MS, state.working ?? Promise.resolve()).catch(() => undefined);
    state.route?.close();
  };

  return { start, close };
}

/** Hands over one batch; false if there is no way to. */
async function handOver(
  lines: readonly string[],
  state: State,
  { hostRoot, timer, onRoute }: LogPumpOptions,
): Promise<boolean> {
  const tell = (name: string, trouble = ''): void => {
    if (state.told === name) return;
    state.told = name;
    onRoute(name === '' ? undefined : name, trouble);
  };
  try {
    state.route ??= await openLogRoute(hostRoot, LOG_IDENTIFIER);
    if (!state.route) {
      tell('', NO_LOGGER);
      return false;
    }
    await within(timer, WRITE_MS, state.route.write(lines));
    state.failures = 0;
    tell(state.route.name);
    return true;
  } catch (error) {
    state.route?.close();
    state.route = undefined;
    // Once may be a restart of the logger.
    if (state.failures > 0) tell('', messageOf(error));
    return false;
  }
}

/** A logger that hangs is given up. */
async function within(timer: Timer, limitMs: number, writing: Promise<void>): Promise<void> {
  let cancel = (): void => undefined;
  const tooLate = new Promise<never>((_, reject) => {
    cancel = timer.after(limitMs, () =>
      reject(new TransientError('SystemLogMissing', 'the system logger does not answer')),
    );
  });
  await Promise.race([writing, tooLate]).finally(cancel);
}
