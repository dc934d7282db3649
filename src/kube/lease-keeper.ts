import type { Logger } from 'winston';
import type { Clock } from '../domain/clock.ts';
import { messageOf, reasonOf, TransientError } from '../domain/errors.ts';
import { startDeadline } from './deadline.ts';
import type { LeaseHandle } from './lease.ts';
import { systemTimer, type Timer, wait } from './timer.ts';
import type { Leadership } from './types.ts';

/** Times of a lease, in milliseconds, as `LeadershipOptions` explains them. */
export interface Timing {
  readonly leaseMs: number;
  readonly renewMs: number;
  readonly retryMs: number;
}

/** What a keeper needs beside the lease. */
export interface KeeperOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly leaseName: string;
  readonly timer?: Timer;
}

/** A renewal younger than this part of `renewMs` is not repeated on demand. */
const FRESH = 0.1;

/** Keeps a lease that was acquired. */
export interface Keeper {
  /** Renews until the signal, or until the deadline passed without a renewal. */
  run(): Promise<void>;
  isLost(): boolean;
  readonly leadership: Leadership;
}

/** Makes a keeper; `signal` ends its renewing. */
export function createKeeper(
  lease: LeaseHandle,
  { clock, log, leaseName, timer = systemTimer }: KeeperOptions,
  { leaseMs, renewMs, retryMs }: Timing,
  signal: AbortSignal,
): Keeper {
  let isLost = false;
  let renewal: Promise<void> | undefined;
  const ageMs = () => clock.monotonicMs() - lease.renewedAtMs();
  const remainingMs = () => (isLost ? 0 : Math.max(0, leaseMs - ageMs()));

  const renewBefore = async (leftMs: number): Promise<void> => {
    const deadline = startDeadline(leftMs, signal, timer);
    try {
      const bounds = { signal: deadline.signal, timeoutMs: Math.min(leftMs, renewMs * 0.3) };
      await deadline.race(lease.renew(bounds));
    } finally {
      deadline.end();
    }
  };

  /** One renewal at a time, shared by all who ask, over before the deadline. */
  const renewOnce = (): Promise<void> => {
    renewal ??= renewBefore(Math.max(1, renewMs - ageMs())).finally(() => {
      renewal = undefined;
    });
    return renewal;
  };

  const renewOrWarn = async (): Promise<void> => {
    try {
      await renewOnce();
    } catch (error) {
      if (signal.aborted) return;
      const fields = { lease: leaseName, reason: reasonOf(error), error: messageOf(error) };
      log.warn('lease not renewed', fields);
      await wait(timer, Math.min(retryMs / 2, Math.max(0, renewMs - ageMs())), signal);
    }
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted && !isLost) {
      const untilDueMs = renewMs / 2 - ageMs();
      if (untilDueMs > 0) await wait(timer, untilDueMs, signal);
      else if (ageMs() >= renewMs || lease.isTaken()) isLost = true;
      else await renewOrWarn();
    }
  };

  return {
    run,
    isLost: () => isLost,
    leadership: {
      remainingMs,
      renew: async () => {
        if (isLost || signal.aborted)
          throw new TransientError('LeadershipLost', `lease ${leaseName} is no longer ours`);
        if (ageMs() >= renewMs * FRESH) await renewOnce();
        return remainingMs();
      },
    },
  };
}
