/** Calls back later. Passed in, so that tests can let hours pass at once. */
export interface Timer {
  /** Calls `run` after `delayMs` milliseconds, or, for very long delays, earlier. Returns what cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

// setTimeout fires at once for anything longer.
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The machine's own timer. */
export const systemTimer: Timer = {
  after: (delayMs, run) => {
    const handle = setTimeout(run, Math.min(Math.max(delayMs, 0), MAX_DELAY_MS));
    return () => clearTimeout(handle);
  },
};

/** Resolves after `delayMs`, or at once when the signal is aborted. Never rejects. */
export function wait(timer: Timer, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise(resolve => {
    const end = () => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = timer.after(delayMs, end);
    signal.addEventListener('abort', end, { once: true });
  });
}
