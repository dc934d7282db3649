import type { MaxUnavailable, OSUpgradeProgress } from '../api/monok8s/index.ts';
import { isControlPlane, isForeignCordoned, type NodeState } from './node-state.ts';
import type { Refusal } from './version-change.ts';

/** How many of `total` nodes may be out of service: percentages are rounded down, and it is at least 1. */
export function allowedUnavailable(maxUnavailable: MaxUnavailable, total: number): number {
  if (typeof maxUnavailable === 'number') return Math.max(1, maxUnavailable);
  return Math.max(1, Math.floor((total * Number.parseInt(maxUnavailable, 10)) / 100));
}

/** Why a node is out of service, or counts as if it were. */
export type Outage = 'at work' | 'NotReady' | 'cordoned' | 'failed';

/** The nodes of a request, and those of the whole cluster, that are out of service. */
export interface BudgetInput {
  readonly maxUnavailable: MaxUnavailable;
  /** The nodes that the request selects. */
  readonly selected: readonly NodeState[];
  /** All nodes: control-plane nodes are looked at wherever they are. */
  readonly all: readonly NodeState[];
  /** Names of nodes that count as at work. */
  readonly atWork: ReadonlySet<string>;
  /** Names of nodes that failed in this rollout: they keep their place, so that a bad image stops the rollout. */
  readonly failed: ReadonlySet<string>;
}

/** The names of nodes on which one of `progresses` matches. */
export const nodesOf = (
  progresses: readonly OSUpgradeProgress[],
  matches: (progress: OSUpgradeProgress) => boolean,
): Set<string> => new Set(progresses.filter(matches).map(progress => progress.spec.nodeName));

function outageOf(node: NodeState, input: BudgetInput): Outage | undefined {
  if (input.atWork.has(node.name)) return 'at work';
  if (!node.ready) return 'NotReady';
  if (isForeignCordoned(node)) return 'cordoned';
  return input.failed.has(node.name) ? 'failed' : undefined;
}

/**
 * Tells why a node must not be taken out of service now; `undefined` if it may. The node itself does not count: one
 * that is cordoned already costs nothing more. Control-plane nodes go one at a time whatever the budget.
 */
export function budgetRefusal(node: NodeState, input: BudgetInput): Refusal | undefined {
  const out = outages(input.selected, node, input);
  const allowed = allowedUnavailable(input.maxUnavailable, input.selected.length);
  if (out.length + 1 > allowed) {
    return {
      reason: 'BudgetExhausted',
      message: `maxUnavailable allows ${allowed} of ${input.selected.length} nodes, and out of service: ${list(out)}`,
    };
  }
  if (!isControlPlane(node)) return undefined;
  const others = outages(input.all.filter(isControlPlane), node, input);
  if (others.length === 0) return undefined;
  return {
    reason: 'ControlPlaneOneByOne',
    message: `control-plane nodes go one at a time, and out of service: ${list(others)}`,
  };
}

const outages = (nodes: readonly NodeState[], except: NodeState, input: BudgetInput): string[] =>
  nodes.flatMap(node => {
    const outage = node.name === except.name ? undefined : outageOf(node, input);
    return outage === undefined ? [] : [`${node.name} (${outage})`];
  });

const MAX_LISTED = 5;

/** The first few of a list, and how many there are beyond. */
export const list = (items: readonly string[]): string =>
  items.length <= MAX_LISTED
    ? items.join(', ')
    : `${items.slice(0, MAX_LISTED).join(', ')} and ${items.length - MAX_LISTED} more`;
