import type { OSUpgrade, OSUpgradeProgress, OSUpgradeStatus, PinnedImage } from '../../api/monok8s/index.ts';
import type { NodeState } from '../../domain/node-state.ts';
import type { NodeVerdict } from '../../domain/rollout.ts';
import type { Refusal } from '../../domain/version-change.ts';
import type { Fleet } from '../fleet.ts';

/** What is known of a request's catalog. */
export type CatalogAnswer =
  | { readonly state: 'reading' }
  /** It will be read again. */
  | ({ readonly state: 'unreadable' } & Refusal)
  /** What is there is wrong. Text within the request is looked at again when the request changes, other slowly. */
  | ({ readonly state: 'refused' } & Refusal)
  | { readonly state: 'resolved'; readonly image: PinnedImage };

/** Everything that the fate of a request depends on. */
export interface RequestSnapshot {
  readonly request: OSUpgrade;
  readonly fleet: Fleet;
  readonly catalog: CatalogAnswer;
  /** `v1.36.3`; empty if it is not known. */
  readonly serverVersion: string;
  readonly nowMs: number;
  /** Zone of windows that name none. */
  readonly defaultZone: string;
}

/** What is to be done for a request. */
export interface RequestDecision {
  readonly status: OSUpgradeStatus;
  /** Nodes that get a plan now; the object without a plan that a person made, if that is what asks for it. */
  readonly plans: readonly NodeVerdict[];
  /** Objects made by hand that cannot be done. */
  readonly refused: readonly (Refusal & { readonly progress: OSUpgradeProgress })[];
  /** Nodes on which this rollout has acted, and whose annotation does not say so yet. */
  readonly unmarked: readonly NodeState[];
  /** When to look again though nothing changed. */
  readonly recheckAtMs?: number;
}

/** The part of a decision that lets every object and node be. */
export const NO_WRITES = { plans: [], refused: [], unmarked: [] };
