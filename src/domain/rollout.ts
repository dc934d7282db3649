import type { OSUpgradeProgress } from '../api/monok8s/index.ts';
import { type BudgetInput, createBudget } from './budget.ts';
import { isControlPlane, isManaged, type NodeState } from './node-state.ts';
import { byAge, isActive } from './progress.ts';
import { isSameVersion, parseVersion } from './version.ts';
import { judgeVersionChange, type Refusal } from './version-change.ts';

/** Where a selected node stands in a rollout. The six states are the six counts of a status. */
export interface NodeVerdict {
  readonly node: NodeState;
  readonly state: 'updated' | 'running' | 'waiting' | 'failed' | 'skipped' | 'drifted';
  /** Empty where there is nothing to say. */
  readonly reason: string;
  readonly message: string;
  /** The object that stands for the node in this rollout. */
  readonly progress?: OSUpgradeProgress;
  /** An object without a plan that a person made for this node. */
  readonly handMade?: OSUpgradeProgress;
  /** A newer request owns the node, why: also while a plan that had begun to drain still runs there. */
  readonly lost?: string;
}

/** What a node is judged by. */
export interface JudgeInput {
  readonly target: string;
  /** The node's annotation says that this rollout acted on it. */
  isMarked(node: NodeState): boolean;
  /** Why a newer request owns the node, if one does. */
  supersededBy(node: NodeState): string | undefined;
  /** This rollout's objects with a plan on the node. */
  progressesOf(node: NodeState): readonly OSUpgradeProgress[];
  /** Objects without a plan that ask for this request on the node. */
  handMadeOf(node: NodeState): readonly OSUpgradeProgress[];
  /** Another request's or rollout's plan that is still being worked on there. */
  otherPlanOn(node: NodeState): OSUpgradeProgress | undefined;
}

/** `waiting` with no reason means: may begin as soon as the budget allows. */
export function judgeNode(node: NodeState, input: JudgeInput): NodeVerdict {
  const progress = latestOf(input.progressesOf(node));
  const superseded = input.supersededBy(node);
  const lost = superseded === undefined ? {} : { lost: superseded };
  if (progress !== undefined && isActive(progress)) return { ...verdict(node, 'running'), progress, ...lost };
  const [handMade] = input.handMadeOf(node).toSorted(byAge);
  const asked = handMade === undefined ? {} : { handMade };
  if (superseded !== undefined) {
    return { ...verdict(node, 'skipped', { reason: 'Superseded', message: superseded }), ...asked, ...lost };
  }
  if (handMade === undefined) {
    const past = judgePast(node, progress, input);
    if (past !== undefined) return past;
  }
  return { ...judgeNew(node, input), ...asked };
}

const verdict = (node: NodeState, state: NodeVerdict['state'], why?: Refusal): NodeVerdict => ({
  node,
  state,
  reason: why?.reason ?? '',
  message: why?.message ?? '',
});

/** The object that counts, of several: one that is worked on, else the youngest. */
const latestOf = (progresses: readonly OSUpgradeProgress[]): OSUpgradeProgress | undefined =>
  progresses.find(isActive) ?? progresses.toSorted(byAge).at(-1);

/** What this rollout has done to the node already: it acts once. */
function judgePast(
  node: NodeState,
  progress: OSUpgradeProgress | undefined,
  input: JudgeInput,
): NodeVerdict | undefined {
  const { phase, failureReason, message } = progress?.status ?? {};
  if (progress !== undefined && phase !== 'Completed') {
    const why = { reason: failureReason || (phase ?? 'Failed'), message: message ?? '' };
    return { ...verdict(node, 'failed', why), progress };
  }
  if (isSameVersion(node.version, input.target)) return verdict(node, 'updated');
  // The word that the node is done comes before the agent's report of what it runs: that one is of the boot before.
  if (progress?.status?.bootId !== undefined && progress.status.bootId === node.agentBootId)
    return verdict(node, 'updated');
  if (progress === undefined && !input.isMarked(node)) return undefined;
  const again =
    progress === undefined ? 'a new rollout' : `ctl retry ${progress.metadata.name} or a new rollout`;
  return verdict(node, 'drifted', {
    reason: 'Drifted',
    message: `runs ${node.version || 'an unknown version'} although this rollout acted on it: it is left alone until ${again}`,
  });
}

function judgeNew(node: NodeState, input: JudgeInput): NodeVerdict {
  if (!isManaged(node)) {
    const message = node.hasReported ? 'the pod of its agent is gone' : 'no agent has reported from it';
    return verdict(node, 'skipped', {
      reason: 'AgentMissing',
      message: `${message}: see daemonset/node-agent`,
    });
  }
  const refusal = judgeVersionChange(node.version, input.target);
  if (refusal !== undefined) return verdict(node, 'skipped', refusal);
  const other = input.otherPlanOn(node);
  if (other !== undefined) {
    const message = `${other.metadata.name} is still being worked on there`;
    return verdict(node, 'waiting', { reason: 'OtherPlanRunning', message });
  }
  if (!node.ready)
    return verdict(node, 'waiting', { reason: 'NodeNotReady', message: 'the node is not Ready' });
  return verdict(node, 'waiting');
}

/** What the choice of nodes depends on beside the verdicts. */
export interface ChoiceInput {
  readonly target: string;
  readonly budget: BudgetInput;
  /** `v1.36.3`; empty if it is not known. */
  readonly serverVersion: string;
  /** Why nothing new begins at all (paused, window closed), if so. */
  readonly hold: Refusal | undefined;
}

/** The verdicts with a reason for every node that waits, and the nodes that get a plan now. */
export interface Choice {
  readonly verdicts: readonly NodeVerdict[];
  readonly chosen: readonly NodeVerdict[];
}

/** Chooses the nodes that get a plan now: control-plane nodes first, then by name, as many as the budget allows. */
export function chooseNodes(verdicts: readonly NodeVerdict[], input: ChoiceInput): Choice {
  const budget = createBudget(input.budget);
  const workersHold = holdOfWorkers(verdicts, input);
  const chosen: NodeVerdict[] = [];
  const judged = verdicts.toSorted(byTurn).map(entry => {
    if (entry.state !== 'waiting' || entry.reason !== '') return entry;
    const refusal =
      input.hold ?? (isControlPlane(entry.node) ? undefined : workersHold) ?? budget.refusalOf(entry.node);
    if (refusal !== undefined) return { ...entry, ...refusal };
    budget.take(entry.node);
    chosen.push(entry);
    return { ...entry, state: 'running' as const };
  });
  return { verdicts: judged, chosen };
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
