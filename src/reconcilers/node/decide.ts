import {
  CORDONED_BY_ANNOTATION,
  MANAGED_LABEL,
  type OSUpgrade,
  type OSUpgradeProgress,
} from '../../api/monok8s/index.ts';
import { isBack, isManaged, type NodeState } from '../../domain/node-state.ts';
import {
  gateState,
  hasBegunDraining,
  isActive,
  isFor,
  isRetryAsked,
  isTerminal,
} from '../../domain/progress.ts';
import type { Refusal } from '../../domain/version-change.ts';
import type { Fleet } from '../fleet.ts';
import { decideDrain } from './decide-drain.ts';
import { cancellationOf, decideGate } from './decide-gate.ts';
import type { DecisionPart, NodeAction, NodeDecision, NodeSnapshot } from './decision.ts';

/** Decides what becomes of a node and of the plans on it. */
export function decideNode(snapshot: NodeSnapshot): NodeDecision {
  const { fleet, name } = snapshot;
  const progresses = (fleet.progressesByNode.get(name) ?? []).filter(isOurKind);
  const node = fleet.nodesByName.get(name);
  if (node === undefined)
    return { actions: progresses.filter(isStranded).map(failUnknownNode), watchPods: false };
  const parts = [
    ...progresses.map(progress => decideProgress(snapshot, node, progress)),
    { actions: [...labelActions(node), ...sweepCordon(node, fleet)] },
  ];
  const times = parts.flatMap(({ recheckAtMs }) => (recheckAtMs === undefined ? [] : [recheckAtMs]));
  return {
    actions: parts.flatMap(({ actions }) => actions),
    watchPods: parts.some(({ watchPods }) => watchPods === true),
    ...(times.length === 0 ? {} : { recheckAtMs: Math.min(...times) }),
  };
}

const NOTHING: DecisionPart = { actions: [] };

const isOurKind = ({ spec, metadata }: OSUpgradeProgress): boolean =>
  (spec.sourceRef.kind ?? 'OSUpgrade') === 'OSUpgrade' && metadata.deletionTimestamp === undefined;

/** No agent will ever answer. What the node itself owns goes with it. */
const isStranded = (progress: OSUpgradeProgress): boolean =>
  (!isTerminal(progress) || isRetryAsked(progress)) && isHandMade(progress);

const isHandMade = ({ metadata }: OSUpgradeProgress): boolean =>
  !(metadata.ownerReferences ?? []).some(({ kind }) => kind === 'Node');

const failUnknownNode = (progress: OSUpgradeProgress): NodeAction => ({ type: 'failUnknownNode', progress });

function labelActions(node: NodeState): NodeAction[] {
  const wanted = isManaged(node);
  const isLabelled = node.labels[MANAGED_LABEL] === 'true';
  return wanted === isLabelled ? [] : [{ type: 'label', node, isManaged: wanted }];
}

/** A cordon of ours without a plan that needs it is taken back, once the node is back. */
function sweepCordon(node: NodeState, { progresses }: Fleet): NodeAction[] {
  const owner = node.annotations[CORDONED_BY_ANNOTATION];
  if (owner === undefined || !isBack(node)) return [];
  const isNeeded = progresses.some(
    progress =>
      progress.spec.nodeName === node.name && progress.metadata.name === owner && hasBegunDraining(progress),
  );
  return isNeeded ? [] : [{ type: 'uncordon', node }];
}

function decideProgress(snapshot: NodeSnapshot, node: NodeState, progress: OSUpgradeProgress): DecisionPart {
  const request = snapshot.fleet.requests.find(candidate => isFor(progress, candidate));
  if (request === undefined) return decideOrphan(snapshot, node, progress);
  if (!isActive(progress)) return NOTHING;
  if (hasBegunDraining(progress)) return decideDrain(snapshot, node, progress, request.spec.drain);
  return decideGate(snapshot, node, progress, request);
}

/** The request is gone: what has begun to drain finishes, the rest goes. What a person made stays. */
function decideOrphan(snapshot: NodeSnapshot, node: NodeState, progress: OSUpgradeProgress): DecisionPart {
  if (hasBegunDraining(progress)) return decideDrain(snapshot, node, progress, DEFAULT_DRAIN);
  const { sourceRef, plan } = progress.spec;
  if (!isHandMade(progress)) return { actions: [{ type: 'delete', progress }] };
  if (plan === undefined)
    return { actions: [{ type: 'refuse', progress, why: requestNotFound(sourceRef.name) }] };
  const isEnded = ['Failed', 'Cancelled'].includes(gateState(progress));
  const why = { reason: 'RequestDeleted', message: `OSUpgrade ${sourceRef.name} was deleted` };
  return isActive(progress) && !isEnded ? cancellationOf(progress, why, snapshot.nowMs) : NOTHING;
}

const DEFAULT_DRAIN: OSUpgrade['spec']['drain'] = {
  timeoutSeconds: 1800,
  force: true,
  deleteEmptyDirData: true,
  skip: false,
};

const requestNotFound = (name: string): Refusal => ({
  reason: 'RequestNotFound',
  message: `there is no OSUpgrade ${name} (spec.sourceRef.name): make it, then delete this object and make it again`,
});
