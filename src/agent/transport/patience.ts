import { backoffMs } from '../../domain/backoff.ts';
import type { Clock } from '../../domain/clock.ts';
import { isTransient, messageOf, reasonOf, StalledError } from '../../domain/errors.ts';
import { ServerBusyError } from './failures.ts';

const BACKOFF = { baseMs: 500, maxMs: 15_000 };

/** Time, chance and waiting, passed in. */
export interface Timing {
  readonly clock: Clock;
  random(): number;
  delay(ms: number, signal: AbortSignal): Promise<void>;
}

/** How long a silent server is put up with. */
export interface PatienceOptions {
  readonly timing: Timing;
  readonly stallMs: number;
  readonly signal: AbortSignal;
  /** A transient failure that is going to be retried. */
  onRetry(reason: string, message: string): void;
}

/** Patience with one server: failures are waited out until nothing new has come for too long. */
export interface Patience {
  /** Something new came. */
  heard(): void;
  /**
   * Waits before the next try: longer with each failure, and as long as the server asks.
   * @throws StalledError `DownloadStalled` when nothing new came for `stallMs`
   */
  waitOrGiveUp(error: unknown): Promise<void>;
}

/** Begins to count now. */
export function createPatience({ timing, stallMs, signal, onRetry }: PatienceOptions): Patience {
  let lastByteMs = timing.clock.monotonicMs();
  let failures = 0;
  return {
    heard: () => {
      lastByteMs = timing.clock.monotonicMs();
      failures = 0;
    },
    waitOrGiveUp: async error => {
      const leftMs = stallMs - (timing.clock.monotonicMs() - lastByteMs);
      if (leftMs <= 0) {
        throw new StalledError(
          'DownloadStalled',
          `no new byte came for ${Math.round(stallMs / 1000)} s; last: ${messageOf(error)}`,
          { cause: error },
        );
      }
      onRetry(reasonOf(error), messageOf(error));
      const askedMs = error instanceof ServerBusyError ? error.waitMs : 0;
      const wait = Math.max(backoffMs(BACKOFF, failures, timing.random()), askedMs);
      failures++;
      // The last wait ends with the limit, so that there is one more try at its end.
      await timing.delay(Math.min(wait, leftMs), signal);
    },
  };
}

/**
 * Does something small until it works.
 * @throws StalledError what `act` throws for good, and `DownloadStalled`
 */
export async function patiently<T>(options: PatienceOptions, act: () => Promise<T>): Promise<T> {
  const patience = createPatience(options);
  for (;;) {
    try {
      return await act();
    } catch (error) {
      options.signal.throwIfAborted();
      if (!isTransient(error)) throw error;
      await patience.waitOrGiveUp(error);
    }
  }
}
