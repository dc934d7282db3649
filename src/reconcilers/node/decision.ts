import type { DrainPolicy, Gate, OSUpgradeProgress } from '../../api/monok8s/index.ts';
import type { InstanceState, NodeState } from '../../domain/node-state.ts';
import type { PodFacts } from '../../domain/pod.ts';
import type { Refusal } from '../../domain/version-change.ts';
import type { Fleet } from '../fleet.ts';

/** An eviction that was asked for. */
export interface AskedEviction {
  /** Not asked for again before. */
  readonly retryAtMs: number;
  /** Present if it was refused, and since when that is so. */
  readonly refusal?: {
    readonly sinceMs: number;
    /** Name of the PodDisruptionBudget, if the API server told it. */
    readonly budget?: string;
    readonly message: string;
  };
}

/** What is known of the pods of a node that is drained, or is to be. */
export interface DrainView {
  /** Absent while the pods are not known. */
  readonly pods?: readonly PodFacts[];
  /** Since when they are watched. */
  readonly watchedSinceMs?: number;
  /** By UID of the pod. */
  readonly asked: ReadonlyMap<string, AskedEviction>;
}

/** Everything that a node's next step depends on. */
export interface NodeSnapshot {
  readonly name: string;
  readonly fleet: Fleet;
  /** There is an OSInstance of the node's name. */
  readonly hasInstance: boolean;
  /** Nodes whose drain this process has just begun, which the caches may not show yet. */
  readonly reserved: ReadonlySet<string>;
  readonly drain: DrainView;
  readonly nowMs: number;
  readonly defaultZone: string;
  readonly systemNamespace: string;
}

/** One write. Each looks at the world once more where a cache may deceive. */
export type NodeAction =
  /** `null` removes a label. */
  | {
      readonly type: 'label';
      readonly node: NodeState;
      readonly labels: Readonly<Record<string, string | null>>;
    }
  /** Makes the node own its OSInstance, and says in it what is done; the latter is left out if it says so already. */
  | {
      readonly type: 'instance';
      readonly node: NodeState;
      readonly instance: InstanceState;
      readonly spec?: InstanceState['spec'];
    }
  | { readonly type: 'deleteInstance'; readonly name: string }
  | {
      readonly type: 'gate';
      readonly progress: OSUpgradeProgress;
      readonly gate: Gate;
      /** The policy to be kept in the plan. */
      readonly drain?: DrainPolicy;
    }
  | { readonly type: 'cordon'; readonly node: NodeState; readonly progress: OSUpgradeProgress }
  /** Takes labels away with the cordon. */
  | { readonly type: 'uncordon'; readonly node: NodeState; readonly labels: readonly string[] }
  | { readonly type: 'evict'; readonly podUids: readonly string[] }
  | { readonly type: 'delete'; readonly progress: OSUpgradeProgress }
  /** One that has ended, of a rollout long ago. */
  | { readonly type: 'deleteOutdated'; readonly progress: OSUpgradeProgress }
  | { readonly type: 'refuse'; readonly progress: OSUpgradeProgress; readonly why: Refusal }
  | { readonly type: 'failUnknownNode'; readonly progress: OSUpgradeProgress };

/** What is to be done for a node. */
export interface NodeDecision {
  readonly actions: readonly NodeAction[];
  /** The node is drained, or could be: its pods have to be watched. */
  readonly watchPods: boolean;
  /** When to look again though nothing changed. */
  readonly recheckAtMs?: number;
}

/** What one object adds to the decision. */
export interface DecisionPart {
  readonly actions: readonly NodeAction[];
  /** `false`: what is known of the pods is given up, also if another part wants it. */
  readonly watchPods?: boolean;
  readonly recheckAtMs?: number;
}
