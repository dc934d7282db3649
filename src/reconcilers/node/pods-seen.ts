import type { PodFacts } from '../../domain/pod.ts';
import type { Refusal } from '../../domain/version-change.ts';
import type { NodeSnapshot } from './decision.ts';

/** A first list that takes longer is worth a word. */
const PATIENCE_MS = 5000;

/** The pods of a node; while they are not known, when to look again, and after some time why. */
export type PodsSeen =
  | { readonly pods: readonly PodFacts[]; readonly why?: undefined }
  | { readonly pods?: undefined; readonly recheckAtMs: number; readonly why?: Refusal };

/** What is known of a node's pods. Not to have been able to list them is not to have found none. */
export function podsSeen({ drain, nowMs }: Pick<NodeSnapshot, 'drain' | 'nowMs'>): PodsSeen {
  const { pods, watchedSinceMs = nowMs } = drain;
  if (pods !== undefined) return { pods };
  const recheckAtMs = watchedSinceMs + PATIENCE_MS;
  return recheckAtMs > nowMs ? { recheckAtMs } : { recheckAtMs: nowMs + PATIENCE_MS, why: PODS_UNKNOWN };
}

const PODS_UNKNOWN: Refusal = {
  reason: 'PodsUnknown',
  message: "the pods of the node cannot be listed, so nothing is evicted: see the controller's log",
};
