import type { OSUpgradeProgress } from '../../api/monok8s/index.ts';
import { toTimestamp } from '../../domain/clock.ts';
import type { Block } from '../../domain/drain.ts';
import { currentAttempt, isActive, namespaceOf, titleOf } from '../../domain/progress.ts';
import { NODES, OSES, OSUPGRADE_PROGRESSES, OSUPGRADES } from '../../kube/resources.ts';
import type { CallOptions, Patch } from '../../kube/types.ts';
import type { ControllerContext } from '../context.ts';
import { withinLease } from '../lease-guard.ts';
import type { NodeAction } from './decision.ts';

type ActionOf<Type extends NodeAction['type']> = Extract<NodeAction, { type: Type }>;

/** What a person may have to do something about. */
const OBSTACLES: readonly string[] = [
  ...['PodDisruptionBudget', 'EvictionRefused', 'PodsUnknown'],
  ...(['PodUnmanaged', 'PodLocalData'] satisfies Block[]),
];

/** Says a new word at the gate of a plan. */
export async function writeGate(
  context: ControllerContext,
  { progress, gate, drain }: ActionOf<'gate'>,
): Promise<void> {
  const { leadership, signal, log } = context;
  // Beginning to drain takes the node out of service; everything else may also be said twice.
  const bounds = gate.state === 'Draining' ? await withinLease(leadership, signal) : { signal };
  await patchSpec(context, progress, { plan: { gate, ...(drain && { drain }) } }, bounds);
  const { nodeName } = progress.spec;
  const fields = { node: nodeName, progress: progress.metadata.name, attempt: gate.attempt };
  log.info('gate written', { ...fields, state: gate.state, reason: gate.reason, detail: gate.message });
  // Cordoning and uncordoning are told about the node.
  if (gate.reason === 'Draining' || gate.state === 'Open') return;
  const isBad = gate.state === 'Failed' || OBSTACLES.includes(gate.reason);
  record(context, progress, isBad ? 'Warning' : 'Normal', gate.reason, gate.message);
}

async function patchSpec(
  { client, ownWrites }: ControllerContext,
  { metadata }: OSUpgradeProgress,
  spec: object,
  bounds: CallOptions,
): Promise<void> {
  const { name, uid, resourceVersion } = metadata;
  const patch: Patch = { type: 'merge', body: { metadata: { uid, resourceVersion }, spec } };
  const written = await client.patch(OSUPGRADE_PROGRESSES, { name }, patch, bounds);
  ownWrites.note(uid, resourceVersion, written.metadata.resourceVersion);
}

function record(
  { events }: ControllerContext,
  { apiVersion, kind, metadata }: OSUpgradeProgress,
  type: 'Normal' | 'Warning',
  ...[reason, message]: [string, string]
): void {
  events.record({ apiVersion, kind, name: metadata.name, uid: metadata.uid }, type, reason, message);
}

/** A cache may lag behind: asks the API server itself before anything is thrown away. */
async function isRequestThere(
  { client, signal, osNamespaces }: ControllerContext,
  { spec }: OSUpgradeProgress,
): Promise<boolean> {
  const { name, uid } = spec.sourceRef;
  const namespace = namespaceOf(spec.sourceRef);
  // Where we were told not to look, we may have no right to either.
  if (namespace !== undefined && osNamespaces.length > 0 && !osNamespaces.includes(namespace)) return false;
  const found =
    namespace === undefined
      ? await client.get(OSUPGRADES, { name }, { signal })
      : await client.get(OSES, { name, namespace }, { signal });
  return found !== undefined && (uid === undefined || found.metadata.uid === uid);
}

/** Removes an object whose request is gone. That a plan is taken back is told about the node, which stays. */
export async function deleteOrphan(context: ControllerContext, progress: OSUpgradeProgress): Promise<void> {
  if (await isRequestThere(context, progress)) return;
  const { name, uid } = progress.metadata;
  const { nodeName, sourceRef } = progress.spec;
  await context.client.delete(OSUPGRADE_PROGRESSES, { name, uid }, { signal: context.signal });
  context.log.info('object of a deleted request removed', { progress: name, node: nodeName });
  if (!isActive(progress)) return;
  const node = context.world.nodes.get({ name: nodeName });
  const about = { apiVersion: 'v1', kind: 'Node', name: nodeName, ...(node && { uid: node.uid }) };
  const message = `${titleOf(sourceRef)} was deleted before the node was drained: its plan ${name} is taken back`;
  context.events.record(about, 'Normal', 'RequestDeleted', message);
}

/** Removes an object of a rollout long ago: nobody counts it any more. */
export async function deleteOutdated(
  { client, signal, log }: ControllerContext,
  { metadata: { name, uid }, spec }: OSUpgradeProgress,
): Promise<void> {
  await client.delete(OSUPGRADE_PROGRESSES, { name, uid }, { signal });
  log.info('object of an old rollout removed', { progress: name, node: spec.nodeName });
}

/** Ends an object made by hand for a request that there is not. */
export async function refuse(
  context: ControllerContext,
  { progress, why }: ActionOf<'refuse'>,
): Promise<void> {
  if (await isRequestThere(context, progress)) return;
  const since = toTimestamp(context.clock.nowMs());
  const gate = { state: 'Failed', attempt: currentAttempt(progress), since, ...why };
  const plan = { kind: 'upgrade', rollout: 0, targetVersion: '', gate };
  await patchSpec(context, progress, { plan }, { signal: context.signal });
  const fields = { progress: progress.metadata.name, reason: why.reason, detail: why.message };
  context.log.warn('object made by hand refused', fields);
  record(context, progress, 'Warning', why.reason, why.message);
}

/** The one status that the controller writes: no agent will ever do it. */
export async function failUnknownNode(
  context: ControllerContext,
  progress: OSUpgradeProgress,
): Promise<void> {
  const { client, signal, clock, log } = context;
  const { nodeName, retryNonce } = progress.spec;
  if ((await client.get(NODES, { name: nodeName }, { signal })) !== undefined) return;
  const { name, uid, resourceVersion } = progress.metadata;
  const now = toTimestamp(clock.nowMs());
  const message = `there is no node ${nodeName} (spec.nodeName): delete this object and make one for a node that kubectl get nodes shows`;
  const status = {
    phase: 'Failed',
    failureReason: 'NodeNotFound',
    message,
    attempt: currentAttempt(progress),
    startedAt: progress.status?.startedAt ?? now,
    completedAt: now,
    lastUpdatedAt: now,
    ...(retryNonce === undefined ? {} : { observedRetryNonce: retryNonce }),
  };
  const body = { metadata: { uid, resourceVersion }, status };
  const written = await client.patchStatus(
    OSUPGRADE_PROGRESSES,
    { name },
    { type: 'merge', body },
    { signal },
  );
  context.ownWrites.note(uid, resourceVersion, written.metadata.resourceVersion);
  log.warn('object names a node that does not exist', { progress: name, node: nodeName });
  record(context, progress, 'Warning', 'NodeNotFound', message);
}
