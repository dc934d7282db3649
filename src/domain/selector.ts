import { NODE_SELECTOR_LABEL } from '../api/openeuler/index.ts';
import type { Successor } from '../api/request-status.ts';
import { hasLabels, isControlPlane, type NodeState } from './node-state.ts';

/** Which nodes a request means, in the words of its API. */
export type Selector = Pick<Successor, 'nodeSelector' | 'nodeselector'>;

/** The rule of a selector. */
export const selectorOf = ({ nodeSelector, nodeselector }: Selector): ((node: NodeState) => boolean) =>
  nodeselector === undefined
    ? node => isSelected(node, nodeSelector ?? {})
    : node => isEligible(node, nodeselector);

/** The nodes that have the labels, or, if there are none, every node that ever had an agent. */
const isSelected = (node: NodeState, labels: Readonly<Record<string, string>>): boolean =>
  Object.keys(labels).length === 0 ? node.hasReported : hasLabels(node, labels);

/** @source upstream KubeOS: control-plane nodes are left out; `no-label`, `all-label`, or the label's value */
function isEligible(node: NodeState, word: string): boolean {
  if (isControlPlane(node)) return false;
  const label = node.labels[NODE_SELECTOR_LABEL];
  if (word === 'all-label') return node.hasReported;
  return word === 'no-label' ? node.hasReported && label === undefined : label === word;
}
