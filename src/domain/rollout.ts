import { type BudgetInput, createBudget } from './budget.ts';
import { isControlPlane, type NodeState } from './node-state.ts';
import { type PaceInput, paceOf } from './pace.ts';
import { mayBegin, type NodeVerdict } from './verdict.ts';
import { isSameVersion, parseVersion } from './version.ts';
import type { Refusal } from './version-change.ts';

/** What the choice of nodes depends on beside the verdicts. */
export interface ChoiceInput {
  readonly target: string;
  readonly budget: Omit<BudgetInput, 'selected' | 'failed'>;
  readonly pace: Omit<PaceInput, 'isHeld'>;
  /** Workers wait for control-plane nodes and for the API server to have the minor version. */
  readonly followsControlPlane: boolean;
  /** `v1.36.3`; empty if it is not known. */
  readonly serverVersion: string;
  /** Why nothing new begins at all (paused, window closed), if so. */
  readonly hold: Refusal | undefined;
}

/** The verdicts with a reason for every node that waits, and the nodes that get a plan now. */
export interface Choice {
  readonly verdicts: readonly NodeVerdict[];
  readonly chosen: readonly NodeVerdict[];
  /** The batch that a serial request works through; empty for any other. */
  readonly batch: readonly NodeState[];
  /** When nodes that wait for the interval between two batches may begin. */
  readonly nextBatchAtMs?: number;
}

/** Chooses the nodes that get a plan now: control-plane nodes first, then by name, as many as the budget allows. */
export function chooseNodes(verdicts: readonly NodeVerdict[], input: ChoiceInput): Choice {
  const workersHold = input.followsControlPlane ? holdOfWorkers(verdicts, input) : undefined;
  const inTurn = verdicts.toSorted(byTurn);
  const budget = createBudget({
    ...input.budget,
    selected: inTurn.map(({ node }) => node),
    failed: new Set(inTurn.filter(({ state }) => state === 'failed').map(({ node }) => node.name)),
  });
  const pace = paceOf(inTurn, { ...input.pace, isHeld: input.hold !== undefined });
  const chosen: NodeVerdict[] = [];
  const judged = inTurn.map(entry => {
    if (!mayBegin(entry)) return entry;
    const refusal =
      input.hold ??
      (isControlPlane(entry.node) ? undefined : workersHold) ??
      pace.refusalOf(entry.node) ??
      budget.refusalOf(entry.node);
    if (refusal !== undefined) return { ...entry, ...refusal };
    budget.take(entry.node);
    pace.take();
    chosen.push(entry);
    return { ...entry, state: 'running' as const };
  });
  const { batch, nextBatchAtMs } = pace;
  return { verdicts: judged, chosen, batch, ...(nextBatchAtMs === undefined ? {} : { nextBatchAtMs }) };
}

const byTurn = ({ node: left }: NodeVerdict, { node: right }: NodeVerdict): number =>
  Number(isControlPlane(right)) - Number(isControlPlane(left)) || (left.name < right.name ? -1 : 1);

/**
 * Why workers wait: a kubelet must not be newer than the API server.
 * @source Kubernetes version skew policy
 */
function holdOfWorkers(
  verdicts: readonly NodeVerdict[],
  { target, serverVersion }: ChoiceInput,
): Refusal | undefined {
  const behind = verdicts
    .filter(({ node }) => isControlPlane(node) && !hasMinorOf(target, node.version))
    .map(({ node }) => node.name);
  if (behind.length > 0) {
    const message = `control-plane node ${behind.join(', ')} does not have the minor version of ${target} yet`;
    return { reason: 'ControlPlaneFirst', message };
  }
  if (verdicts.some(({ node }) => isControlPlane(node)) || hasMinorOf(target, serverVersion))
    return undefined;
  return {
    reason: 'ApiServerOlder',
    message: `the API server is ${serverVersion || 'of an unknown version'}, older than ${target}: upgrade the control plane first`,
  };
}

function hasMinorOf(target: string, version: string): boolean {
  const [wanted, has] = [parseVersion(target), parseVersion(version)];
  if (wanted === undefined || has === undefined) return isSameVersion(target, version);
  return has.major !== wanted.major ? has.major > wanted.major : has.minor >= wanted.minor;
}
