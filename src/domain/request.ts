import type { ObjectMeta } from '../api/meta.ts';
import type {
  DrainPolicy,
  MaxUnavailable,
  NodePlan,
  OSUpgradeStatus,
  SourceRef,
  TimeWindow,
} from '../api/monok8s/index.ts';
import type { NodeState } from './node-state.ts';
import type { Selector } from './selector.ts';
import type { Refusal } from './version-change.ts';

/** What a rollout brings to its nodes, whichever API asked for it. */
export interface Target {
  /** The version in the request's own terms, for people. */
  readonly version: string;
  /** The part of each node's plan that is the same for all of them. */
  readonly plan: Pick<NodePlan, 'kind' | 'targetVersion' | 'versionField' | 'image'>;
  /** Something that a person should know when the rollout begins. */
  readonly note?: Refusal;
}

/** The status of a request of either kind. `image` and `resolvedVersion` are the pinned entry of a catalog. */
export type AnyStatus = OSUpgradeStatus;

/** How a request's own fields are called, for messages that tell the way out. */
export interface FieldNames {
  readonly nodeSelector: string;
  readonly maxUnavailable: string;
  readonly timeWindow: string;
  readonly targetVersion: string;
  /** What lets pods without a controller, and pods with data in an emptyDir, be evicted. */
  readonly forcesEviction: { readonly unmanaged: string; readonly localData: string };
}

/** How fast a rollout goes from node to node, beside its budget. */
export interface Pace {
  /** One node after the other, in batches of the size of the budget. */
  readonly isSerial: boolean;
  /** Least milliseconds between two batches. */
  readonly intervalMs: number;
}

/** A request of either API, in the terms in which rollouts are decided. */
export interface Request {
  readonly kind: NonNullable<SourceRef['kind']>;
  readonly apiVersion: string;
  readonly metadata: ObjectMeta;
  /** `OSUpgrade my-upgrade`, `OS default/os-sample`: for messages. */
  readonly title: string;
  readonly status: AnyStatus | undefined;
  /** Changes when a field changes that changes plans. */
  readonly rolloutKey: string;
  /** What it brings can be told: it has a claim on nodes. */
  readonly isTargetKnown: boolean;
  readonly isPaused: boolean;
  readonly timeWindow: TimeWindow | undefined;
  /** What is wrong in a field that steers the rollout and changes no plan: nothing begins until it is corrected. */
  readonly mistake: Refusal | undefined;
  readonly maxUnavailable: MaxUnavailable;
  readonly drain: DrainPolicy;
  readonly pace: Pace;
  /** Workers wait for control-plane nodes and for the API server to have the minor version. */
  readonly followsControlPlane: boolean;
  readonly fields: FieldNames;
  readonly selector: Selector;
  /** Whether the request means the node. */
  readonly selects: (node: NodeState) => boolean;
  /** The version that a node runs, in the terms of `Target.version`; empty if it is not known. */
  readonly runningVersion: (node: NodeState) => string;
  /** The boot that `runningVersion` was seen in; empty if it is not known. */
  readonly runningBootId: (node: NodeState) => string;
  readonly isAtVersion: (node: NodeState, version: string) => boolean;
  /** Why a node may not be brought to what the plan says, if that is so. */
  readonly judgeChange: (node: NodeState, plan: Target['plan']) => Refusal | undefined;
}

/** `default/os-sample` or `my-upgrade`: the same for one object, whatever happens to it. */
export const keyOf = ({ namespace, name }: Pick<ObjectMeta, 'namespace' | 'name'>): string =>
  namespace === undefined ? name : `${namespace}/${name}`;
