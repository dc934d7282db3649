import { MANAGED_LABEL, type OSUpgradeProgress } from '../../api/monok8s/index.ts';
import { toTimestamp } from '../../domain/clock.ts';
import { messageOf, unreachable } from '../../domain/errors.ts';
import type { NodeState } from '../../domain/node-state.ts';
import type { PodFacts } from '../../domain/pod.ts';
import { currentAttempt } from '../../domain/progress.ts';
import { cordon, uncordon } from '../../kube/node.ts';
import { NODES, OSUPGRADE_PROGRESSES, OSUPGRADES } from '../../kube/resources.ts';
import type { CallOptions, EvictionAnswer, Patch } from '../../kube/types.ts';
import type { ControllerContext } from '../context.ts';
import { withinLease } from '../lease-guard.ts';
import type { NodeAction } from './decision.ts';
import type { DrainSessions } from './drain-sessions.ts';

/** What the writes on nodes need beside the context. */
export interface NodeActors {
  readonly context: ControllerContext;
  readonly sessions: DrainSessions;
}

/** Does one write. */
export async function carryOutOnNode(actors: NodeActors, name: string, action: NodeAction): Promise<void> {
  const { context } = actors;
  switch (action.type) {
    case 'label':
      return setManaged(context, action.node, action.isManaged);
    case 'gate':
      return writeGate(context, action);
    case 'cordon':
      return cordonFor(context, action.node, action.progress);
    case 'uncordon':
      return giveBack(context, action.node);
    case 'evict':
      return evict(actors, name, action.podUids);
    case 'delete':
      return deleteOrphan(context, action.progress);
    case 'refuse':
      return refuse(context, action);
    case 'failUnknownNode':
      return failUnknownNode(context, action.progress);
    default:
      return unreachable(action);
  }
}

type ActionOf<Type extends NodeAction['type']> = Extract<NodeAction, { type: Type }>;

/** We alone write this label, so the node's own changes meanwhile do not matter. */
async function setManaged(
  { client, signal, log }: ControllerContext,
  node: NodeState,
  isManaged: boolean,
): Promise<void> {
  const labels = { [MANAGED_LABEL]: isManaged ? 'true' : null };
  const body = { metadata: { uid: node.uid, labels } };
  await client.patch(NODES, { name: node.name }, { type: 'merge', body }, { signal });
  log.info(isManaged ? 'node is managed' : 'node has no agent', { node: node.name });
}

const REFUSED_EVICTIONS: readonly string[] = ['PodDisruptionBudget', 'EvictionRefused'];

async function writeGate(context: ControllerContext, { progress, gate }: ActionOf<'gate'>): Promise<void> {
  const { leadership, signal, log } = context;
  // Beginning to drain takes the node out of service; everything else may also be said twice.
  const bounds = gate.state === 'Draining' ? await withinLease(leadership, signal) : { signal };
  await patchSpec(context, progress, { plan: { gate } }, bounds);
  const { nodeName } = progress.spec;
  const fields = { node: nodeName, progress: progress.metadata.name, attempt: gate.attempt };
  log.info('gate written', { ...fields, state: gate.state, reason: gate.reason, detail: gate.message });
  // Cordoning and uncordoning are told about the node.
  if (gate.reason === 'Draining' || gate.state === 'Open') return;
  const isBad = gate.state === 'Failed' || REFUSED_EVICTIONS.includes(gate.reason);
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

const nodeSubject = (node: NodeState) => ({ apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid });

async function cordonFor(
  context: ControllerContext,
  node: NodeState,
  progress: OSUpgradeProgress,
): Promise<void> {
  const { client, signal, ownWrites, log, events } = context;
  const written = await cordon(client, node, progress.metadata.name, { signal });
  ownWrites.note(node.uid, node.resourceVersion, written.resourceVersion);
  log.info('node cordoned', { node: node.name, progress: progress.metadata.name });
  events.record(nodeSubject(node), 'Normal', 'Cordoned', `cordoned for ${progress.metadata.name}`);
}

async function giveBack(
  { client, signal, ownWrites, log, events }: ControllerContext,
  node: NodeState,
): Promise<void> {
  const written = await uncordon(client, node, { signal });
  ownWrites.note(node.uid, node.resourceVersion, written.resourceVersion);
  log.info('node uncordoned', { node: node.name });
  events.record(nodeSubject(node), 'Normal', 'Uncordoned', 'serves again');
}

async function evict(
  { context, sessions }: NodeActors,
  node: string,
  podUids: readonly string[],
): Promise<void> {
  const pods = (sessions.view(node).pods ?? []).filter(pod => podUids.includes(pod.uid));
  for (const pod of pods) {
    const answer = await askToEvict(context, pod);
    sessions.remember(node, pod, answer);
    context.log.debug('eviction asked for', {
      node,
      pod: pod.name,
      namespace: pod.namespace,
      answer: answer.outcome,
    });
  }
}

/** One pod's eviction that fails, be it by a webhook's veto, holds up no other's, and the gate tells of it. */
async function askToEvict({ client, signal }: ControllerContext, pod: PodFacts): Promise<EvictionAnswer> {
  try {
    return await client.evict(pod, { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    return { outcome: 'refused', message: messageOf(error) };
  }
}

/** A cache may lag behind: asks the API server itself before anything is thrown away. */
async function isRequestThere(
  { client, signal }: ControllerContext,
  { spec }: OSUpgradeProgress,
): Promise<boolean> {
  const { name, uid } = spec.sourceRef;
  const found = await client.get(OSUPGRADES, { name }, { signal });
  return found !== undefined && (uid === undefined || found.metadata.uid === uid);
}

async function deleteOrphan(context: ControllerContext, progress: OSUpgradeProgress): Promise<void> {
  if (await isRequestThere(context, progress)) return;
  const { name, uid } = progress.metadata;
  await context.client.delete(OSUPGRADE_PROGRESSES, { name, uid }, { signal: context.signal });
  context.log.info('object of a deleted request removed', { progress: name, node: progress.spec.nodeName });
}

async function refuse(context: ControllerContext, { progress, why }: ActionOf<'refuse'>): Promise<void> {
  if (await isRequestThere(context, progress)) return;
  const since = toTimestamp(context.clock.nowMs());
  const gate = { state: 'Failed', attempt: currentAttempt(progress), since, ...why };
  const plan = { kind: 'upgrade', rollout: 0, targetVersion: '', gate };
  await patchSpec(context, progress, { plan }, { signal: context.signal });
  record(context, progress, 'Warning', why.reason, why.message);
}

/** The one status that the controller writes: no agent will ever do it. */
async function failUnknownNode(context: ControllerContext, progress: OSUpgradeProgress): Promise<void> {
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
