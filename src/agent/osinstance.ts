import { isDeepStrictEqual } from 'node:util';
import {
  API_VERSION,
  OSINSTANCE_NAMESPACE,
  OSINSTANCE_NODE_LABEL,
  type OSInstance,
  type OSInstanceStatus,
  type SlotReport,
} from '../api/openeuler/index.ts';
import { toTimestamp } from '../domain/clock.ts';
import type { NodeFacts } from '../domain/node.ts';
import { OSINSTANCES } from '../kube/resources.ts';
import type { KubeClient } from '../kube/types.ts';
import type { SlotView } from './decide/snapshot.ts';
import { nextConditions } from './decide/status.ts';
import type { BootState, SlotFacts } from './ports.ts';

/** What the agent found on its node. */
export interface InstanceFacts {
  readonly slots: SlotView;
  readonly bootLoader: string;
  readonly bootId: string;
  readonly agentVersion: string;
}

/** The part of the status that is the agent's. What others keep in it, such as upstream's settings, is theirs. */
type OwnStatus = Pick<OSInstanceStatus, 'slots' | 'bootLoader' | 'bootId' | 'agentVersion' | 'conditions'>;

/** What the status has to tell of `facts`. */
export function instanceStatus(
  before: OSInstanceStatus | undefined,
  facts: InstanceFacts,
  nowMs: number,
): OwnStatus {
  const { slots: view, bootLoader, bootId, agentVersion } = facts;
  const condition = view.ok
    ? { type: 'SlotsUsable', status: 'True' as const, reason: 'SlotsFound', message: '' }
    : { type: 'SlotsUsable', status: 'False' as const, reason: view.reason, message: view.message };
  const conditions = nextConditions(before?.conditions ?? [], condition, toTimestamp(nowMs));
  return { slots: slotReports(view), bootLoader, bootId, agentVersion, conditions };
}

function slotReports(view: SlotView): SlotReport[] {
  if (!view.ok) return [];
  const report = ({ name, osRelease }: SlotFacts, boot: BootState): SlotReport => ({
    name,
    booted: name === view.layout.booted,
    default: name === boot.defaultSlot,
    version: osRelease?.versionId ?? '',
    prettyName: osRelease?.prettyName ?? '',
  });
  return [report(view.layout.A, view.boot), report(view.layout.B, view.boot)];
}

/** The OSInstance of a node, with the node as its owner. */
export const newInstance = (node: Pick<NodeFacts, 'name' | 'uid'>): object => ({
  apiVersion: API_VERSION,
  kind: OSINSTANCES.kind,
  metadata: {
    name: node.name,
    namespace: OSINSTANCE_NAMESPACE,
    labels: { [OSINSTANCE_NODE_LABEL]: node.name },
    ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid }],
  },
  spec: { nodestatus: 'idle' },
});

/**
 * Creates the node's OSInstance if there is none and writes its status if it says something new. One that upstream
 * KubeOS made is taken as it is.
 */
export async function reportInstance(
  client: KubeClient,
  known: { readonly node: Pick<NodeFacts, 'name' | 'uid'>; readonly instance: OSInstance | undefined },
  facts: InstanceFacts,
  nowMs: number,
): Promise<OSInstance> {
  const instance = known.instance ?? (await client.create(OSINSTANCES, newInstance(known.node)));
  const status = instanceStatus(instance.status, facts, nowMs);
  if (isDeepStrictEqual({ ...instance.status, ...status }, instance.status)) return instance;
  const { name, resourceVersion } = instance.metadata;
  // Merged, with our fields alone: whatever else is in there stays, also what we do not know.
  const body = { metadata: { resourceVersion }, status };
  return client.patchStatus(OSINSTANCES, { name, namespace: OSINSTANCE_NAMESPACE }, { type: 'merge', body });
}
