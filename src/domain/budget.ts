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
  /** How the request calls it, for messages. */
  readonly field: string;
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

/** The places that are left for taking nodes out of service. */
export interface Budget {
  /** Why a node must not be taken out of service now; `undefined` if it may. */
  refusalOf(node: NodeState): Refusal | undefined;
  /** Counts a node as at work from now on. */
  take(node: NodeState): void;
}

/**
 * Counts once, for any number of questions. A node that is asked about does not count itself: one that is cordoned
 * already costs nothing more. Control-plane nodes go one at a time whatever the budget.
 */
export function createBudget(input: BudgetInput): Budget {
  const out = outages(input.selected, input);
  const outControlPlane = outages(input.all.filter(isControlPlane), input);
  const allowed = allowedUnavailable(input.maxUnavailable, input.selected.length);
  return {
    refusalOf: node => {
      if (countWithout(out, node) + 1 > allowed) {
        return {
          reason: 'BudgetExhausted',
          message: `${input.field} allows ${allowed} of ${input.selected.length} nodes, and out of service: ${namesWithout(out, node)}`,
        };
      }
      if (!isControlPlane(node) || countWithout(outControlPlane, node) === 0) return undefined;
      return {
        reason: 'ControlPlaneOneByOne',
        message: `control-plane nodes go one at a time, and out of service: ${namesWithout(outControlPlane, node)}`,
      };
    },
    take: node => {
      out.set(node.name, 'at work');
      if (isControlPlane(node)) outControlPlane.set(node.name, 'at work');
    },
  };
}

type Outages = Map<string, Outage>;

function outages(nodes: readonly NodeState[], input: BudgetInput): Outages {
  const found: Outages = new Map();
  for (const node of nodes) {
    const outage = outageOf(node, input);
    if (outage !== undefined) found.set(node.name, outage);
  }
  return found;
}

const countWithout = (out: Outages, { name }: NodeState): number => out.size - (out.has(name) ? 1 : 0);

/** Asked for thousands of nodes, so it looks at no more than it names. */
function namesWithout(out: Outages, except: NodeState): string {
  const names: string[] = [];
  for (const [name, outage] of out) {
    if (names.length === MAX_LISTED) break;
    if (name !== except.name) names.push(`${name} (${outage})`);
  }
  return withRest(names, countWithout(out, except));
}

const MAX_LISTED = 5;

/** The first few of a list, and how many there are beyond. */
export const list = (items: readonly string[]): string => withRest(items.slice(0, MAX_LISTED), items.length);

const withRest = (shown: readonly string[], total: number): string =>
  total > shown.length ? `${shown.join(', ')} and ${total - shown.length} more` : shown.join(', ');
