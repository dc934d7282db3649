import { systemTimer, type Timer } from './timer.ts';

/** A time limit that also ends with another signal. `end` has to be called, or its timer goes on. */
export interface Deadline {
  /** Aborted when the time is over or the other signal is aborted. */
  readonly signal: AbortSignal;
  /** It was the time that ended it. */
  readonly isLate: boolean;
  /** Settles as `promise` does, but rejects at once when the signal is aborted, whether `promise` minds it or not. */
  race<R>(promise: Promise<R>): Promise<R>;
  end(): void;
}

/** Starts a time limit. */
export function startDeadline(
  limitMs: number,
  outer: AbortSignal | undefined,
  timer: Timer = systemTimer,
): Deadline {
  const controller = new AbortController();
  const { signal } = controller;
  let isLate = false;
  const stop = () => controller.abort(outer?.reason);
  const cancel = timer.after(limitMs, () => {
    isLate = true;
    controller.abort(new Error(`not done within ${limitMs} ms`));
  });
  if (outer?.aborted) stop();
  outer?.addEventListener('abort', stop, { once: true });
  return {
    signal,
    get isLate() {
      return isLate;
    },
    race: promise => raceWith(signal, promise),
    end: () => {
      cancel();
      outer?.removeEventListener('abort', stop);
    },
  };
}

function raceWith<R>(signal: AbortSignal, promise: Promise<R>): Promise<R> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
