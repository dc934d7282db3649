import type { OSUpgradeProgress, PinnedImage } from '../../api/monok8s/index.ts';
import type { NodeState } from '../../domain/node-state.ts';
import type { AnyStatus, Request, Target } from '../../domain/request.ts';
import type { NodeVerdict } from '../../domain/verdict.ts';
import type { Refusal } from '../../domain/version-change.ts';
import type { Fleet } from '../fleet.ts';

/** What is known of a thing that a request depends on. */
export type Answer<Known> =
  | { readonly state: 'reading' }
  /** It will be read again. */
  | ({ readonly state: 'unreadable' } & Refusal)
  /** What is there is wrong. Text within the request is looked at again when the request changes, other slowly. */
  | ({ readonly state: 'refused' } & Refusal)
  | ({ readonly state: 'resolved' } & Known);

/** What is known of a request's catalog. */
export type CatalogAnswer = Answer<{ readonly image: PinnedImage }>;

/** What is known of a request's target. */
export type TargetAnswer = Answer<{
  readonly target: Target;
  /** The catalog's entry, to be kept in the status. */
  readonly image?: PinnedImage;
}>;

/** Everything that the fate of a request depends on. */
export interface RequestSnapshot {
  readonly request: Request;
  readonly fleet: Fleet;
  readonly answer: TargetAnswer;
  /** What a refusal tells of lies outside the request: a person may correct it there. */
  readonly isReadElsewhere: boolean;
  /** `v1.36.3`; empty if it is not known. */
  readonly serverVersion: string;
  readonly nowMs: number;
  /** Zone of windows that name none. */
  readonly defaultZone: string;
}

/** What is to be done for a request. */
export interface RequestDecision {
  readonly status: AnyStatus;
  /** Nodes that get a plan now; the object without a plan that a person made, if that is what asks for it. */
  readonly plans: readonly NodeVerdict[];
  /** Objects made by hand that cannot be done. */
  readonly refused: readonly (Refusal & { readonly progress: OSUpgradeProgress })[];
  /** Nodes on which this rollout has acted, and whose annotation does not say so yet. */
  readonly unmarked: readonly NodeState[];
  /** Nodes that enter the batch of a serial request, and those that leave it. */
  readonly turns: readonly { readonly node: NodeState; readonly isInBatch: boolean }[];
  /** When to look again though nothing changed. */
  readonly recheckAtMs?: number;
}

/** The part of a decision that lets every object and node be. */
export const NO_WRITES = { plans: [], refused: [], unmarked: [], turns: [] };
