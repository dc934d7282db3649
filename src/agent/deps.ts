import type { Logger } from 'winston';
import type { NodePlan, OSUpgradeProgress } from '../api/monok8s/index.ts';
import type { OSInstance } from '../api/openeuler/index.ts';
import type { Clock } from '../domain/clock.ts';
import type { NodeFacts } from '../domain/node.ts';
import type { EventRecorder, Informer, KubeClient } from '../kube/types.ts';
import type { ShowPaths } from './act/shown-paths.ts';
import type { StageJob } from './act/stage-job.ts';
import type { StatusWriter } from './act/status-writer.ts';
import type { TrialGuard } from './guard/trial-guard.ts';
import type { BootLoader, Host, SlotLayout, Slots } from './ports.ts';
import type { Resolver } from './resolve.ts';
import type { StateStore } from './state.ts';

/** What this process remembers between two passes. Nothing that a restart may not lose. */
export interface Memory {
  /** When the reboot was asked for. */
  rebootAskedMs?: number;
  /** How often it was asked for. */
  rebootsAsked?: number;
  health?: { readonly healthy: boolean; readonly message: string; readonly atMs: number };
  /** The slots as last read; they are not read while one of them is being written. */
  layout?: SlotLayout;
  /** What the cache held before our last write to the OSInstance, and what that answered. */
  instance?: { readonly before: OSInstance | undefined; readonly after: OSInstance };
}

/** The agent's view of the API server. */
export interface Caches {
  /** This node's objects. */
  readonly progresses: Informer<OSUpgradeProgress>;
  /** This node alone. */
  readonly nodes: Informer<NodeFacts>;
  /** This node's OSInstance alone. */
  readonly instances: Informer<OSInstance>;
}

/** Everything that one agent works with. */
export interface AgentDeps {
  readonly nodeName: string;
  readonly agentVersion: string;
  readonly settings: {
    readonly versionField: NodePlan['versionField'];
    readonly trialSeconds?: number;
    readonly stallSeconds?: number;
  };
  readonly client: KubeClient;
  readonly caches: Caches;
  /** `events` and `status` do so by themselves. */
  readonly showPaths: ShowPaths;
  readonly events: EventRecorder;
  readonly slots: Slots;
  readonly bootLoader: BootLoader;
  readonly host: Host;
  readonly guard: TrialGuard;
  readonly state: StateStore;
  readonly status: StatusWriter;
  readonly resolver: Resolver;
  readonly job: StageJob;
  uptimeMs(): Promise<number>;
  readonly memory: Memory;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the agent. */
  readonly signal: AbortSignal;
}
