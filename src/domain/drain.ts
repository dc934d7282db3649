import { AGENT_NAME, APP_LABEL, CONTROLLER_NAME, type DrainPolicy } from '../api/monok8s/index.ts';
import type { PodFacts } from './pod.ts';
import type { FieldNames } from './request.ts';

/** What becomes of a pod when its node is drained. */
export type PodFate =
  /** Stays: nobody waits for it. */
  | { readonly action: 'ignore' }
  | { readonly action: 'evict' }
  /** Is on its way: waited for. */
  | { readonly action: 'await' }
  /** The drain policy forbids to evict it: waited for, until a person acts. */
  | { readonly action: 'block'; readonly reason: 'PodUnmanaged' | 'PodLocalData'; readonly message: string };

/** Where a drain takes place, and in whose words it tells of it. */
export interface DrainPlace extends Pick<FieldNames, 'forcesEviction'> {
  readonly systemNamespace: string;
}

const OURS: readonly string[] = [CONTROLLER_NAME, AGENT_NAME];

/** Decides about one pod on a node that is drained. */
export function fateOf(
  pod: PodFacts,
  policy: Pick<DrainPolicy, 'force' | 'deleteEmptyDirData'>,
  { systemNamespace, forcesEviction }: DrainPlace,
): PodFate {
  if (pod.isMirror || pod.ownerKind === 'Node' || pod.ownerKind === 'DaemonSet') return { action: 'ignore' };
  // We would end ourselves, in a cluster of one node for ever; and an agent that is gone reboots nothing.
  if (pod.namespace === systemNamespace && OURS.includes(pod.labels[APP_LABEL] ?? ''))
    return { action: 'ignore' };
  if (pod.deletionTimestamp !== undefined) return { action: 'await' };
  if (pod.phase === 'Succeeded' || pod.phase === 'Failed') return { action: 'evict' };
  if (pod.ownerKind === undefined && !policy.force) {
    return {
      action: 'block',
      reason: 'PodUnmanaged',
      message: `pod ${nameOf(pod)} has no controller that would make it anew: delete it, or set ${forcesEviction.unmanaged} to true`,
    };
  }
  if (pod.hasEmptyDir && !policy.deleteEmptyDirData) {
    return {
      action: 'block',
      reason: 'PodLocalData',
      message: `pod ${nameOf(pod)} has data in an emptyDir: delete it, or set ${forcesEviction.localData} to true`,
    };
  }
  return { action: 'evict' };
}

/** `default/web-0` */
export const nameOf = (pod: Pick<PodFacts, 'namespace' | 'name'>): string => `${pod.namespace}/${pod.name}`;
