import type { Logger } from 'winston';
import type { Clock } from '../domain/clock.ts';
import { messageOf, reasonOf } from '../domain/errors.ts';
import { isExpired } from './api-errors.ts';

/** Whether an informer keeps up, for the log. */
export interface HealthLog {
  good(): void;
  /** Returns how many failures there are in a row, this one included. */
  bad(error: unknown): number;
}

/** Logs when things begin to fail, fail in another way, and work again: not every try. */
export function createHealthLog(log: Logger, clock: Clock, resource: string): HealthLog {
  let failures = 0;
  let lastReason: string | undefined;
  let sinceMs = 0;
  return {
    good() {
      if (lastReason !== undefined) {
        const outMs = Math.round(clock.monotonicMs() - sinceMs);
        log.info('cache follows the API server again', { resource, failures, outMs });
      }
      failures = 0;
      lastReason = undefined;
    },
    bad(error) {
      if (failures === 0) sinceMs = clock.monotonicMs();
      failures += 1;
      const reason = reasonOf(error);
      // A version that got too old is everyday life: one new list puts it right.
      const isRoutine = isExpired(error) && failures === 1;
      if (reason !== lastReason && !isRoutine) {
        log.warn('cache cannot follow the API server', { resource, reason, error: messageOf(error) });
        lastReason = reason;
      }
      return failures;
    },
  };
}
