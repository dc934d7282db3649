import type { Logger } from 'winston';
import type { Clock } from '../domain/clock.ts';
import { messageOf, reasonOf } from '../domain/errors.ts';
import { createLease, type LeaseHandle } from './lease.ts';
import { createKeeper, type Timing } from './lease-keeper.ts';
import { systemTimer, type Timer, wait } from './timer.ts';
import type { KubeClient, Leadership } from './types.ts';

/** Who stands for which lease, and how long it lasts. */
export interface LeadershipOptions {
  readonly client: KubeClient;
  readonly leaseName: string;
  readonly namespace: string;
  /** Must be another one in every process. */
  readonly identity: string;
  readonly clock: Clock;
  /** 0 ≤ x < 1 */
  random(): number;
  readonly log: Logger;
  /** Others take over when they saw no renewal for so long. Default 15,000. */
  readonly leaseMs?: number;
  /** The work is stopped when no renewal succeeded for so long; less than `leaseMs`. Default 10,000. */
  readonly renewMs?: number;
  /** Time between tries. Default 2,000. */
  readonly retryMs?: number;
  readonly timer?: Timer;
}

/**
 * Stands for a lease, and runs `work` while it is held; stands again when it was lost. The work's signal is aborted
 * when no renewal succeeded for `renewMs`, so that it has the rest of the lease to end before anyone else may start.
 * Resolves when the signal has ended it or when the work ended by itself; the lease is then released.
 * @throws what the work throws by itself
 */
export async function runWithLeadership(
  options: LeadershipOptions,
  work: (leadership: Leadership, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { log, leaseName, identity, leaseMs = 15_000, renewMs = 10_000, retryMs = 2000 } = options;
  const timing = { leaseMs, renewMs, retryMs };
  const lease = createLease(options, leaseMs);
  while (await acquire(lease, options, timing, signal)) {
    log.info('leadership acquired', { lease: leaseName, identity });
    if ((await hold(lease, options, timing, work, signal)) === 'ended') return;
    log.warn('leadership lost, standing for it again', { lease: leaseName, identity });
  }
}

/** Tries until the lease is ours; false when the signal ended it. */
async function acquire(
  lease: LeaseHandle,
  { log, random, timer = systemTimer, leaseName }: LeadershipOptions,
  { retryMs }: Timing,
  signal: AbortSignal,
): Promise<boolean> {
  let lastLogged = '';
  const logOnce = (level: 'info' | 'warn', message: string, fields: { holder?: string; reason?: string }) => {
    const line = `${message} ${fields.holder ?? fields.reason}`;
    if (line !== lastLogged) log[level](message, { lease: leaseName, ...fields });
    lastLogged = line;
  };
  while (!signal.aborted) {
    try {
      const { isOurs, holder } = await lease.tryAcquire({ signal, timeoutMs: retryMs * 2 });
      if (isOurs) return true;
      logOnce('info', 'waiting for leadership', { holder });
    } catch (error) {
      if (!signal.aborted)
        logOnce('warn', `cannot stand for leadership: ${messageOf(error)}`, { reason: reasonOf(error) });
    }
    await wait(timer, retryMs * (1 + random() * 0.2), signal);
  }
  return false;
}

async function hold(
  lease: LeaseHandle,
  options: LeadershipOptions,
  timing: Timing,
  work: (leadership: Leadership, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<'ended' | 'lost'> {
  const stop = new AbortController();
  const stopWork = () => stop.abort();
  signal.addEventListener('abort', stopWork, { once: true });
  if (signal.aborted) stopWork();
  const renewing = new AbortController();
  const keeper = createKeeper(lease, options, timing, renewing.signal);
  // Renewing goes on while the work comes to its end: it may take a while, and needs the lease until then.
  const kept = keeper.run().then(stopWork);
  try {
    await work(keeper.leadership, stop.signal);
    return keeper.isLost() ? 'lost' : 'ended';
  } finally {
    signal.removeEventListener('abort', stopWork);
    const isLost = keeper.isLost();
    renewing.abort();
    await kept;
    if (!isLost) await release(lease, options);
  }
}

async function release(lease: LeaseHandle, { log, leaseName, identity }: LeadershipOptions): Promise<void> {
  try {
    await lease.release({ timeoutMs: 5000 });
    log.info('leadership released', { lease: leaseName, identity });
  } catch (error) {
    // The successor then waits for the lease to run out.
    log.warn('leadership not released', {
      lease: leaseName,
      reason: reasonOf(error),
      error: messageOf(error),
    });
  }
}
