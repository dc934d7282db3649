import type { OSUpgradeProgress } from '../../api/monok8s/index.ts';
import { messageOf, unreachable } from '../../domain/errors.ts';
import type { NodeState } from '../../domain/node-state.ts';
import type { PodFacts } from '../../domain/pod.ts';
import { titleOf } from '../../domain/progress.ts';
import { cordon, uncordon } from '../../kube/node.ts';
import type { EvictionAnswer } from '../../kube/types.ts';
import type { ControllerContext } from '../context.ts';
import { markNode } from '../mark-node.ts';
import { deleteStrayInstance, tellInstance } from './act-instance.ts';
import { deleteOrphan, deleteOutdated, failUnknownNode, refuse, writeGate } from './act-progress.ts';
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
      return setLabels(context, action);
    case 'instance':
      return tellInstance(context, action);
    case 'deleteInstance':
      return deleteStrayInstance(context, action.name);
    case 'gate':
      return writeGate(context, action);
    case 'cordon':
      return cordonFor(context, action.node, action.progress);
    case 'uncordon':
      return giveBack(context, action);
    case 'evict':
      return evict(actors, name, action.podUids);
    case 'delete':
      return deleteOrphan(context, action.progress);
    case 'deleteOutdated':
      return deleteOutdated(context, action.progress);
    case 'refuse':
      return refuse(context, action);
    case 'failUnknownNode':
      return failUnknownNode(context, action.progress);
    default:
      return unreachable(action);
  }
}

async function setLabels(
  context: ControllerContext,
  { node, labels }: Extract<NodeAction, { type: 'label' }>,
): Promise<void> {
  await markNode(context, node, { labels });
  context.log.info('node labelled', { node: node.name, labels });
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
  const why = `cordoned for ${titleOf(progress.spec.sourceRef)} (${progress.metadata.name})`;
  events.record(nodeSubject(node), 'Normal', 'Cordoned', why);
}

async function giveBack(
  { client, signal, ownWrites, log, events }: ControllerContext,
  { node, labels }: Extract<NodeAction, { type: 'uncordon' }>,
): Promise<void> {
  const written = await uncordon(client, node, labels, { signal });
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
  const evictOne = async (pod: PodFacts): Promise<void> => {
    const answer = await askToEvict(context, pod);
    sessions.remember(node, pod, answer);
    const { name, namespace } = pod;
    context.log.debug('eviction asked for', { node, pod: name, namespace, answer: answer.outcome });
  };
  await Promise.all(pods.map(evictOne));
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
