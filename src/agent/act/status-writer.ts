import type { OSUpgradeProgress, OSUpgradeProgressStatus } from '../../api/monok8s/index.ts';
import { type Clock, toTimestamp } from '../../domain/clock.ts';
import { reasonOf, TransientError } from '../../domain/errors.ts';
import { OSUPGRADE_PROGRESSES } from '../../kube/resources.ts';
import type { CallOptions, KubeClient } from '../../kube/types.ts';
import { holdBackMs, nextStatus, type StatusNote } from '../decide/status.ts';

/** What became of a note. */
export interface WriteResult {
  readonly isWritten: boolean;
  /** The note is about progress alone and comes too soon after the last one: come back then. */
  readonly heldBackMs?: number;
}

/** Writes the status of this node's objects. */
export interface StatusWriter {
  /** The newest version that is known: an informer's, or what our own last write answered. */
  newest(object: OSUpgradeProgress): OSUpgradeProgress;
  /**
   * Writes what a note changes, and nothing if it changes nothing. An object that is gone is fine.
   * @throws TransientError when the API server cannot be reached, or the object keeps changing
   */
  write(object: OSUpgradeProgress, note: StatusNote, options?: CallOptions): Promise<WriteResult>;
  /** Takes note of a retry without acting on it. */
  acknowledge(object: OSUpgradeProgress): Promise<WriteResult>;
}

type Change = (
  before: OSUpgradeProgressStatus | undefined,
  nowMs: number,
) => OSUpgradeProgressStatus | undefined;

const CONFLICT_TRIES = 5;

/** Makes the one writer of this node's statuses. */
export function createStatusWriter(client: KubeClient, clock: Clock): StatusWriter {
  const answers = new Map<string, OSUpgradeProgress>();
  let lastWriteMs = Number.NEGATIVE_INFINITY;

  const newest = (object: OSUpgradeProgress): OSUpgradeProgress => {
    const { uid } = object.metadata;
    const answer = answers.get(uid);
    if (answer && isNewer(answer, object)) return answer;
    answers.delete(uid);
    return object;
  };

  const updateOnce = async (
    object: OSUpgradeProgress,
    change: Change,
    options?: CallOptions,
  ): Promise<WriteResult> => {
    const status = change(object.status, clock.nowMs());
    if (!status) return { isWritten: false };
    const heldBackMs = holdBackMs(object.status, status, clock.monotonicMs() - lastWriteMs);
    if (heldBackMs > 0) return { isWritten: false, heldBackMs };
    answers.set(object.metadata.uid, await patch(client, object, status, options));
    lastWriteMs = clock.monotonicMs();
    return { isWritten: true };
  };

  const update = async (
    object: OSUpgradeProgress,
    change: Change,
    options?: CallOptions,
  ): Promise<WriteResult> => {
    let current: OSUpgradeProgress | undefined = newest(object);
    for (let tries = 0; tries < CONFLICT_TRIES; tries += 1) {
      if (current?.metadata.uid !== object.metadata.uid) return { isWritten: false };
      try {
        return await updateOnce(current, change, options);
      } catch (error) {
        if (reasonOf(error) === 'NotFound') return { isWritten: false };
        if (reasonOf(error) !== 'Conflict') throw error;
        current = await client.get(OSUPGRADE_PROGRESSES, { name: object.metadata.name }, options);
        if (current) answers.set(object.metadata.uid, current);
      }
    }
    throw new TransientError('Conflict', `the status of ${object.metadata.name} keeps changing under us`);
  };

  return {
    newest,
    write: (object, note, options) =>
      update(object, (before, nowMs) => nextStatus(before, note, nowMs), options),
    acknowledge: object =>
      update(object, (before, nowMs) =>
        before?.observedRetryNonce === object.spec.retryNonce
          ? undefined
          : { ...before, observedRetryNonce: object.spec.retryNonce, lastUpdatedAt: toTimestamp(nowMs) },
      ),
  };
}

// A JSON patch, because a merge patch cannot write null: it would remove `startedAt: null`, which the documents show.
// Replacing the resource version makes the API server answer with a conflict if it is not the current one.
const patch = (
  client: KubeClient,
  object: OSUpgradeProgress,
  status: OSUpgradeProgressStatus,
  options?: CallOptions,
): Promise<OSUpgradeProgress> =>
  client.patchStatus(
    OSUPGRADE_PROGRESSES,
    { name: object.metadata.name },
    {
      type: 'json',
      body: [
        { op: 'replace', path: '/metadata/resourceVersion', value: object.metadata.resourceVersion },
        { op: 'add', path: '/status', value: status },
      ],
    },
    options,
  );

/** Resource versions are decimal numbers that grow. */
function isNewer(left: OSUpgradeProgress, right: OSUpgradeProgress): boolean {
  const [l, r] = [left.metadata.resourceVersion, right.metadata.resourceVersion];
  return l.length === r.length ? l > r : l.length > r.length;
}
