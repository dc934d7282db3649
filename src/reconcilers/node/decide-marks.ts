import { CORDONED_BY_ANNOTATION, MANAGED_LABEL, type OSUpgradeProgress } from '../../api/monok8s/index.ts';
import { CONFIGURING_LABEL, SERIAL_LABEL, UPGRADING_LABEL } from '../../api/openeuler/index.ts';
import { type InstanceState, isManaged, type NodeState } from '../../domain/node-state.ts';
import { isActive, kindOf, namespaceOf } from '../../domain/progress.ts';
import type { Request } from '../../domain/request.ts';
import type { Fleet } from '../fleet.ts';
import type { NodeAction } from './decision.ts';

/** What other programs are told of a node: our label, and what clients of upstream KubeOS look at. */
export function decideMarks(node: NodeState, fleet: Fleet): NodeAction[] {
  const work = (fleet.progressesByNode.get(node.name) ?? []).find(isOSWork);
  // The instance first, as upstream has it: whoever sees the label finds the instance ready.
  return [...instanceActions(node, work), ...labelActions(node, wantedLabels(node, work, fleet.requests))];
}

const isOSWork = (progress: OSUpgradeProgress): boolean =>
  kindOf(progress.spec.sourceRef) === 'OS' && isActive(progress);

/** Label → whether the node shall have it. */
type WantedLabels = Readonly<Record<string, boolean>>;

function wantedLabels(
  node: NodeState,
  work: OSUpgradeProgress | undefined,
  requests: readonly Request[],
): WantedLabels {
  const managed = { [MANAGED_LABEL]: isManaged(node) };
  // Where no agent of ours ever was, upstream's own programs may be at work.
  if (!node.hasReported) return managed;
  const isLabelled = UPGRADING_LABEL in node.labels;
  // Stays until the node serves again: scripts take its end for that.
  const isGivenBack = node.annotations[CORDONED_BY_ANNOTATION] === undefined;
  return {
    ...managed,
    [UPGRADING_LABEL]: work !== undefined || (isLabelled && !isGivenBack),
    [CONFIGURING_LABEL]: false,
    [SERIAL_LABEL]: SERIAL_LABEL in node.labels && requests.some(request => isInTurns(request, node)),
  };
}

/** A serial request works through its nodes, this one among them; it says itself when the node's turn is over. */
const isInTurns = ({ pace, selects, status }: Request, node: NodeState): boolean =>
  pace.isSerial && status?.phase === 'Accepted' && selects(node);

function labelActions(node: NodeState, wanted: WantedLabels): NodeAction[] {
  const changes = Object.entries(wanted)
    .filter(([name, isWanted]) => isWanted !== hasLabel(node, name))
    .map(([name, isWanted]) => [name, isWanted ? labelValue(name) : null]);
  return changes.length === 0 ? [] : [{ type: 'label', node, labels: Object.fromEntries(changes) }];
}

const labelValue = (label: string): string => (label === MANAGED_LABEL ? 'true' : '');

const hasLabel = ({ labels }: NodeState, name: string): boolean =>
  name === MANAGED_LABEL ? labels[name] === 'true' : name in labels;

/** @source upstream KubeOS: `nodestatus` is `upgrade` also for a rollback, `namespacedname` the OS object at work */
function instanceActions(node: NodeState, work: OSUpgradeProgress | undefined): NodeAction[] {
  const { instance } = node;
  if (instance === undefined || !node.hasReported) return [];
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
