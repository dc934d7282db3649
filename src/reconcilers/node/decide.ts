import type { OSUpgradeProgress } from '../../api/monok8s/index.ts';
import type { NodeState } from '../../domain/node-state.ts';
import {
  gateState,
  hasBegunDraining,
  isActive,
  isFor,
  isRetryAsked,
  isTerminal,
  titleOf,
} from '../../domain/progress.ts';
import type { Request } from '../../domain/request.ts';
import type { Refusal } from '../../domain/version-change.ts';
import { type DrainRules, decideDrain } from './decide-drain.ts';
import { cancellationOf, decideGate } from './decide-gate.ts';
import { decideMarks } from './decide-marks.ts';
import type { DecisionPart, NodeAction, NodeDecision, NodeSnapshot } from './decision.ts';

/** Decides what becomes of a node and of the plans on it. */
export function decideNode(snapshot: NodeSnapshot): NodeDecision {
  const { fleet, name } = snapshot;
  const progresses = (fleet.progressesByNode.get(name) ?? []).filter(isThere);
  const node = fleet.nodesByName.get(name);
  if (node === undefined) return decideNodeless(snapshot, progresses);
  const parts = [
    ...progresses.map(progress => decideProgress(snapshot, node, progress)),
    { actions: decideMarks(node, fleet) },
  ];
  const times = parts.flatMap(({ recheckAtMs }) => (recheckAtMs === undefined ? [] : [recheckAtMs]));
  return {
    actions: parts.flatMap(({ actions }) => actions),
    watchPods:
      parts.some(({ watchPods }) => watchPods === true) &&
      !parts.some(({ watchPods }) => watchPods === false),
    ...(times.length === 0 ? {} : { recheckAtMs: Math.min(...times) }),
  };
}

/** The node is gone, or never was: no agent will answer, and what upstream left for it is of no use. */
function decideNodeless(
  { name, hasInstance }: NodeSnapshot,
  progresses: readonly OSUpgradeProgress[],
): NodeDecision {
  const instance: NodeAction[] = hasInstance ? [{ type: 'deleteInstance', name }] : [];
  return { actions: [...progresses.filter(isStranded).map(failUnknownNode), ...instance], watchPods: false };
}

const NOTHING: DecisionPart = { actions: [] };

const isThere = ({ metadata }: OSUpgradeProgress): boolean => metadata.deletionTimestamp === undefined;

/** No agent will ever answer. What the node itself owns goes with it. */
const isStranded = (progress: OSUpgradeProgress): boolean =>
  (!isTerminal(progress) || isRetryAsked(progress)) && isHandMade(progress);

const isHandMade = ({ metadata }: OSUpgradeProgress): boolean =>
  !(metadata.ownerReferences ?? []).some(({ kind }) => kind === 'Node');

const failUnknownNode = (progress: OSUpgradeProgress): NodeAction => ({ type: 'failUnknownNode', progress });

function decideProgress(snapshot: NodeSnapshot, node: NodeState, progress: OSUpgradeProgress): DecisionPart {
  const request = snapshot.fleet.requests.find(candidate => isFor(progress, candidate));
  if (request === undefined) return decideOrphan(snapshot, node, progress);
  if (!isActive(progress))
    return isOutdated(progress, request) ? { actions: [{ type: 'deleteOutdated', progress }] } : NOTHING;
  if (hasBegunDraining(progress)) return decideDrain(snapshot, node, progress, request);
  return decideGate(snapshot, node, progress, request);
}

/** So many rollouts of a request can be looked up afterwards, the running one included. */
const KEPT_ROLLOUTS = 3;

const isOutdated = (progress: OSUpgradeProgress, { status }: Request): boolean =>
  !isHandMade(progress) &&
  progress.spec.plan !== undefined &&
  progress.spec.plan.rollout + KEPT_ROLLOUTS <= (status?.rollout ?? 0);

/** The request is gone: what has begun to drain finishes, the rest goes. What a person made stays. */
function decideOrphan(snapshot: NodeSnapshot, node: NodeState, progress: OSUpgradeProgress): DecisionPart {
  if (hasBegunDraining(progress)) return decideDrain(snapshot, node, progress, rulesOfOrphan(progress));
  const { sourceRef, plan } = progress.spec;
  if (!isHandMade(progress)) return { actions: [{ type: 'delete', progress }] };
  if (plan === undefined)
    return { actions: [{ type: 'refuse', progress, why: requestNotFound(titleOf(sourceRef)) }] };
  const isEnded = ['Failed', 'Cancelled'].includes(gateState(progress));
  const why = { reason: 'RequestDeleted', message: `${titleOf(sourceRef)} was deleted` };
  return isActive(progress) && !isEnded ? cancellationOf(progress, why, snapshot.nowMs) : NOTHING;
}

/** How a drain whose request is gone goes on: as it began. */
const rulesOfOrphan = ({ spec }: OSUpgradeProgress): DrainRules => ({
  drain: spec.plan?.drain ?? { timeoutSeconds: 1800, force: true, deleteEmptyDirData: true, skip: false },
});

const requestNotFound = (title: string): Refusal => ({
  reason: 'RequestNotFound',
  message: `there is no ${title} (spec.sourceRef): make it, then delete this object and make it again`,
});
