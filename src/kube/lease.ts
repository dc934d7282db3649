import type { Clock } from '../domain/clock.ts';
import { reasonOf, TransientError } from '../domain/errors.ts';
import { LEASES, type LeaseFacts } from './resources.ts';
import type { CallOptions, KubeClient } from './types.ts';

/** One candidate's view of a Lease. */
export interface LeaseHandle {
  /** Takes the lease if it is free, ours, or was not renewed before our eyes for its whole duration. */
  tryAcquire(options: CallOptions): Promise<{ isOurs: boolean; holder: string }>;
  /** @throws TransientError also when someone else holds it */
  renew(options: CallOptions): Promise<void>;
  release(options: CallOptions): Promise<void>;
  /** Monotonic time just before the last successful renewal was sent. */
  renewedAtMs(): number;
  /** Someone else was seen to hold it. */
  isTaken(): boolean;
}

/** What a lease is about. */
export interface LeaseIdentity {
  readonly client: KubeClient;
  readonly leaseName: string;
  readonly namespace: string;
  readonly identity: string;
  readonly clock: Clock;
}

/** A Lease's micro time: RFC 3339 with six decimals. */
export const toMicroTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');

/** Makes a handle; calls nothing. */
export function createLease(
  { client, leaseName, namespace, identity, clock }: LeaseIdentity,
  leaseMs: number,
): LeaseHandle {
  const ref = { name: leaseName, namespace };
  /** What we saw last, and since when it has been like that. Wall clocks of others are not trusted. */
  let observed: { lease: LeaseFacts; sinceMs: number } | undefined;
  let renewedAtMs = Number.NEGATIVE_INFINITY;

  const observe = (lease: LeaseFacts): LeaseFacts => {
    if (observed?.lease.resourceVersion !== lease.resourceVersion)
      observed = { lease, sinceMs: clock.monotonicMs() };
    return lease;
  };
  const isOurs = (lease: LeaseFacts): boolean => lease.holder === identity;
  const isFree = (lease: LeaseFacts): boolean =>
    lease.holder === '' ||
    isOurs(lease) ||
    (observed !== undefined && clock.monotonicMs() - observed.sinceMs >= lease.durationSeconds * 1000);

  const spec = (holder: string, seconds: number, previous: LeaseFacts | undefined) => {
    const now = toMicroTime(clock.nowMs());
    const isNew = previous?.holder !== holder && holder !== '';
    return {
      holderIdentity: holder,
      leaseDurationSeconds: seconds,
      renewTime: now,
      ...(isNew && { acquireTime: now, leaseTransitions: (previous?.transitions ?? -1) + 1 }),
    };
  };

  /** The precondition makes sure that nobody else has written since we looked. */
  const write = async (previous: LeaseFacts, holder: string, seconds: number, options: CallOptions) => {
    const body = {
      metadata: { resourceVersion: previous.resourceVersion },
      spec: spec(holder, seconds, previous),
    };
    observe(await client.patch(LEASES, ref, { type: 'merge', body }, options));
  };
  const seconds = Math.ceil(leaseMs / 1000);

  /** Notes the time before the request leaves: others count from when they see it, which is later. */
  const hold = async (run: () => Promise<void>): Promise<void> => {
    const sentAtMs = clock.monotonicMs();
    await run();
    renewedAtMs = sentAtMs;
  };

  const create = async (options: CallOptions): Promise<void> => {
    const body = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: ref,
      spec: spec(identity, seconds, undefined),
    };
    observe(await client.create(LEASES, body, options));
  };

  const look = async (options: CallOptions): Promise<LeaseFacts | undefined> => {
    const lease = await client.get(LEASES, ref, options);
    return lease && observe(lease);
  };

  const taken = ({ holder }: LeaseFacts) =>
    new TransientError('LeaseTaken', `lease ${leaseName} is held by ${holder || 'nobody'}`);

  return {
    tryAcquire: async options => {
      const lease = await look(options);
      if (lease && !isFree(lease)) return { isOurs: false, holder: lease.holder };
      await hold(() => (lease ? write(lease, identity, seconds, options) : create(options)));
      return { isOurs: true, holder: identity };
    },
    renew: options =>
      hold(async () => {
        const known = observed?.lease;
        if (known && !isOurs(known)) throw taken(known);
        try {
          if (known) await write(known, identity, seconds, options);
          else await create(options);
        } catch (error) {
          if (reasonOf(error) !== 'Conflict') throw error;
          // A renewal of ours may have arrived although its answer did not: the lease itself tells.
          const lease = await look(options);
          if (!lease || !isOurs(lease)) throw lease ? taken(lease) : error;
          await write(lease, identity, seconds, options);
        }
      }),
    release: async options => {
      if (observed && isOurs(observed.lease)) await write(observed.lease, '', 1, options);
    },
    renewedAtMs: () => renewedAtMs,
    isTaken: () => observed !== undefined && !isOurs(observed.lease),
  };
}
