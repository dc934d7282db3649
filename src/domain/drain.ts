import { AGENT_NAME, APP_LABEL, CONTROLLER_NAME, type DrainPolicy } from '../api/monok8s/index.ts';
import { list } from './budget.ts';
import type { PodFacts } from './pod.ts';
import type { FieldNames } from './request.ts';
import type { Refusal } from './version-change.ts';

/** Why a drain policy forbids to evict a pod: nobody would make it anew, or its data would end with it. */
export type Block = 'PodUnmanaged' | 'PodLocalData';

/** What becomes of a pod when its node is drained. */
export type PodFate =
  /** Stays: nobody waits for it. */
  | { readonly action: 'ignore' }
  | { readonly action: 'evict' }
  /** Is on its way: waited for. */
  | { readonly action: 'await' }
  /** The drain policy forbids to evict it: waited for, until a person acts. */
  | { readonly action: 'block'; readonly reason: Block };

/** Where a drain takes place, and in whose words it tells of it. */
export interface DrainPlace {
  readonly systemNamespace: string;
  /** Absent where the request that could be changed is gone. */
  readonly forcesEviction?: FieldNames['forcesEviction'];
}

const OURS: readonly string[] = [CONTROLLER_NAME, AGENT_NAME];

/**
 * Decides about one pod on a node that is drained.
 * @source upstream KubeOS's table of pods for `evictpodforce`, save that DaemonSet pods stay in both modes and that
 * terminating pods are waited for
 */
export function fateOf(
  pod: PodFacts,
  policy: Pick<DrainPolicy, 'force' | 'deleteEmptyDirData'>,
  { systemNamespace }: Pick<DrainPlace, 'systemNamespace'>,
): PodFate {
  if (pod.isMirror || pod.ownerKind === 'Node' || pod.ownerKind === 'DaemonSet') return { action: 'ignore' };
  // We would end ourselves, in a cluster of one node for ever; and an agent that is gone reboots nothing.
  if (pod.namespace === systemNamespace && OURS.includes(pod.labels[APP_LABEL] ?? ''))
    return { action: 'ignore' };
  if (pod.deletionTimestamp !== undefined) return { action: 'await' };
  if (pod.phase === 'Succeeded' || pod.phase === 'Failed') return { action: 'evict' };
  if (pod.ownerKind === undefined && !policy.force) return { action: 'block', reason: 'PodUnmanaged' };
  if (pod.hasEmptyDir && !policy.deleteEmptyDirData) return { action: 'block', reason: 'PodLocalData' };
  return { action: 'evict' };
}

/** Whether a drain policy forbids to evict any pod at all. */
export const canBlock = ({ skip, force, deleteEmptyDirData }: DrainPolicy): boolean =>
  !skip && !(force && deleteEmptyDirData);

/** Why the policy does not let a node be emptied, naming pods and the way out; `undefined` if it does. */
export function blockOf(
  pods: readonly PodFacts[],
  policy: Pick<DrainPolicy, 'force' | 'deleteEmptyDirData'>,
  place: DrainPlace,
): Refusal | undefined {
  const blocked = (reason: Block): string[] =>
    pods
      .filter(pod => {
        const fate = fateOf(pod, policy, place);
        return fate.action === 'block' && fate.reason === reason;
      })
      .map(nameOf)
      .toSorted();
  const [unmanaged, localData] = [blocked('PodUnmanaged'), blocked('PodLocalData')];
  if (unmanaged.length > 0) return unmanagedOf(unmanaged, place.forcesEviction?.unmanaged);
  return localData.length > 0 ? localDataOf(localData, place.forcesEviction?.localData) : undefined;
}

function unmanagedOf(names: readonly string[], field: string | undefined): Refusal {
  const what =
    names.length === 1
      ? `pod ${list(names)} has no controller that would make it anew: delete it`
      : `pods ${list(names)} have no controller that would make them anew: delete them`;
  return { reason: 'PodUnmanaged', message: what + orForce(field) };
}

function localDataOf(names: readonly string[], field: string | undefined): Refusal {
  const what =
    names.length === 1
      ? `pod ${list(names)} has data in an emptyDir: move it to another node`
      : `pods ${list(names)} have data in an emptyDir: move them to other nodes`;
  return { reason: 'PodLocalData', message: what + orForce(field) };
}

const orForce = (field: string | undefined): string =>
  field === undefined ? '' : `, or set ${field} to true`;

/** `default/web-0` */
export const nameOf = (pod: Pick<PodFacts, 'namespace' | 'name'>): string => `${pod.namespace}/${pod.name}`;
