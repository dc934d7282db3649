import { CORDONED_BY_ANNOTATION, MANAGED_LABEL, type OSUpgradeProgress } from '../../api/monok8s/index.ts';
import { CONFIGURING_LABEL, SERIAL_LABEL, UPGRADING_LABEL } from '../../api/openeuler/index.ts';
import {
  type InstanceState,
  isBack,
  isManaged,
  leftToUpstream,
  type NodeState,
} from '../../domain/node-state.ts';
import { takenFrom } from '../../domain/ownership.ts';
import { gateState, hasBegunDraining, isActive, kindOf, namespaceOf } from '../../domain/progress.ts';
import type { Request } from '../../domain/request.ts';
import type { Fleet } from '../fleet.ts';
import type { NodeAction } from './decision.ts';

/**
 * Gives a node back once nothing needs our cordon any more, and tells other programs of the node: our label, and what
 * clients of upstream KubeOS look at. Those take the end of label and `nodestatus` for the end of all work, so they stay
 * until the node serves again.
 */
export function decideMarks(node: NodeState, fleet: Fleet): NodeAction[] {
  const isCordoned = node.annotations[CORDONED_BY_ANNOTATION] !== undefined;
  const givesBack = isCordoned && isBack(node) && !isCordonNeeded(node, fleet);
  const work = workOf(node, fleet);
  const isAtWork = work !== undefined || (isCordoned && !givesBack);
  const changes = labelChanges(node, wantedLabels(node, fleet, isAtWork));
  // The instance first, as upstream has it: whoever sees the label finds the instance ready.
  const instance = isAtWork && work === undefined ? [] : instanceActions(node, work);
  if (!givesBack) return [...instance, ...setLabels(node, changes)];
  const isRemoval = ([, value]: LabelChange): boolean => value === null;
  const labels = changes.filter(isRemoval).map(([name]) => name);
  const others = changes.filter(change => !isRemoval(change));
  return [...instance, { type: 'uncordon', node, labels }, ...setLabels(node, others)];
}

/** A plan is being drained or rebooted, also one that found the cordon of an earlier one of ours. */
const isCordonNeeded = (node: NodeState, { progressesByNode }: Fleet): boolean =>
  (progressesByNode.get(node.name) ?? []).some(hasBegunDraining);

/** The plan of an OS object at work on the node; of several, the one that has begun to drain. */
function workOf(node: NodeState, { progressesByNode }: Fleet): OSUpgradeProgress | undefined {
  const works = (progressesByNode.get(node.name) ?? []).filter(
    progress => kindOf(progress.spec.sourceRef) === 'OS' && isActive(progress) && !isEndedByUs(progress),
  );
  return works.find(hasBegunDraining) ?? works[0];
}

/** The agent has only to take note of it, if it lives. */
const isEndedByUs = (progress: OSUpgradeProgress): boolean =>
  !hasBegunDraining(progress) && ['Failed', 'Cancelled'].includes(gateState(progress));

/** Where no agent of ours ever was, or one of upstream's runs, its own programs may be at work. */
const isOurs = (node: NodeState): boolean => node.hasReported && leftToUpstream(node) === undefined;

/** Label → whether the node shall have it. */
type WantedLabels = Readonly<Record<string, boolean>>;

function wantedLabels(node: NodeState, fleet: Fleet, isAtWork: boolean): WantedLabels {
  const managed = { [MANAGED_LABEL]: isManaged(node) };
  if (!isOurs(node)) return managed;
  const isUpgraded = workOf(node, fleet) !== undefined || UPGRADING_LABEL in node.labels;
  return {
    ...managed,
    [UPGRADING_LABEL]: isAtWork && isUpgraded,
    [CONFIGURING_LABEL]: false,
    [SERIAL_LABEL]:
      SERIAL_LABEL in node.labels && fleet.requests.some(request => isInTurns(request, node, fleet)),
  };
}

/** A serial request that owns the node, or may yet: it says itself when the node's turn is over. */
function isInTurns(request: Request, node: NodeState, { claims }: Fleet): boolean {
  const { pace, selects, status } = request;
  if (!pace.isSerial || status?.phase === 'Rejected' || !selects(node)) return false;
  // The label may be seen before the status that it follows from: without one, nobody has taken the node over.
  return takenFrom(request, node, claims) === undefined;
}

type LabelChange = readonly [string, string | null];

const labelChanges = (node: NodeState, wanted: WantedLabels): LabelChange[] =>
  Object.entries(wanted)
    .filter(([name, isWanted]) => isWanted !== hasLabel(node, name))
    .map(([name, isWanted]) => [name, isWanted ? labelValue(name) : null]);

const setLabels = (node: NodeState, changes: readonly LabelChange[]): NodeAction[] =>
  changes.length === 0 ? [] : [{ type: 'label', node, labels: Object.fromEntries(changes) }];

const labelValue = (label: string): string => (label === MANAGED_LABEL ? 'true' : '');

const hasLabel = ({ labels }: NodeState, name: string): boolean =>
  name === MANAGED_LABEL ? labels[name] === 'true' : name in labels;

/** @source upstream KubeOS: `nodestatus` is `upgrade` also for a rollback, `namespacedname` the OS object at work */
function instanceActions(node: NodeState, work: OSUpgradeProgress | undefined): NodeAction[] {
  const { instance } = node;
  if (instance === undefined || !isOurs(node)) return [];
  const spec = instanceSpec(work);
  const isTold = isSame(instance.spec, spec);
  if (isTold && instance.isOwnedByNode) return [];
  return [{ type: 'instance', node, instance, ...(isTold ? {} : { spec }) }];
}

function instanceSpec(work: OSUpgradeProgress | undefined): InstanceState['spec'] {
  if (work === undefined) return { nodestatus: 'idle' };
  const { sourceRef } = work.spec;
  const namespace = namespaceOf(sourceRef) ?? '';
  return { nodestatus: 'upgrade', namespacedname: { name: sourceRef.name, namespace } };
}

const isSame = (left: InstanceState['spec'], right: InstanceState['spec']): boolean =>
  left.nodestatus === right.nodestatus &&
  left.namespacedname?.name === right.namespacedname?.name &&
  left.namespacedname?.namespace === right.namespacedname?.namespace;
