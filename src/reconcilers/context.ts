import type { Logger } from 'winston';
import type { Clock } from '../domain/clock.ts';
import type { EventRecorder, KubeClient, Leadership } from '../kube/types.ts';
import type { FleetView, World } from './fleet.ts';
import type { OwnWrites } from './own-writes.ts';

/** What every reconciler of one leadership shares. */
export interface ControllerContext {
  readonly client: KubeClient;
  readonly world: World;
  readonly fleet: FleetView;
  readonly events: EventRecorder;
  readonly leadership: Leadership;
  /** Aborted when the leadership ends. */
  readonly signal: AbortSignal;
  readonly ownWrites: OwnWrites;
  readonly clock: Clock;
  /** 0 ≤ x < 1 */
  random(): number;
  readonly log: Logger;
  /** Namespace of the controller, the agents and ConfigMap catalogs. */
  readonly namespace: string;
  /** The namespaces whose `OS` objects are served; all if none is named. */
  readonly osNamespaces: readonly string[];
  /** Zone of windows that name none. */
  readonly timeZone: string;
}
