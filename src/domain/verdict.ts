import type { Gate, OSUpgradeProgress } from '../api/monok8s/index.ts';
import { isManaged, isOfOneBoot, leftToUpstream, type NodeState } from './node-state.ts';
import { byAge, currentAttempt, hasBegunDraining, isActive } from './progress.ts';
import type { Request, Target } from './request.ts';
import type { Refusal } from './version-change.ts';

/** Where a selected node stands in a rollout. The six states are the six counts of a status. */
export interface NodeVerdict {
  readonly node: NodeState;
  readonly state: 'updated' | 'running' | 'waiting' | 'failed' | 'skipped' | 'drifted';
  /** Empty where there is nothing to say. */
  readonly reason: string;
  readonly message: string;
  /** The object that the verdict is about: it is worked on, or has failed. */
  readonly progress?: OSUpgradeProgress;
  /** This rollout's last object on the node, however it ended. */
  readonly last?: OSUpgradeProgress;
  /** The node may not be brought to the target: a person has to change the request or the node. */
  readonly isRefused?: true;
  /** An object without a plan that a person made for this node. */
  readonly handMade?: OSUpgradeProgress;
  /** A newer request owns the node, why: also while a plan that had begun to drain still runs there. */
  readonly lost?: string;
}

/** What a node is judged by. */
export interface JudgeInput
  extends Pick<Request, 'runningVersion' | 'runningBootId' | 'isAtVersion' | 'judgeChange'> {
  readonly target: Target;
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

/** The node may begin as soon as budget and pace allow. */
export const mayBegin = ({ state, reason }: NodeVerdict): boolean => state === 'waiting' && reason === '';

/** What the gate of a node that is worked on says now. */
export function gateOf({ state, progress }: NodeVerdict): Gate | undefined {
  const gate = progress?.spec.plan?.gate;
  const isNow = state === 'running' && progress !== undefined && gate?.attempt === currentAttempt(progress);
  return isNow ? gate : undefined;
}

/** Judges one node. `waiting` with no reason means that it `mayBegin`. */
export function judgeNode(node: NodeState, input: JudgeInput): NodeVerdict {
  const last = latestOf(input.progressesOf(node));
  const judged = judge(node, last, input);
  return last === undefined ? judged : { ...judged, last };
}

function judge(node: NodeState, progress: OSUpgradeProgress | undefined, input: JudgeInput): NodeVerdict {
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
  if (input.isAtVersion(node, input.target.version)) {
    // Not for long: another plan reboots it into another version, which is then to be changed.
    return isBeingTakenAway(input.otherPlanOn(node)) ? undefined : verdict(node, 'updated');
  }
  if (progress === undefined && !input.isMarked(node)) return undefined;
  // The word that the node is done comes before the report of what it runs: that one is of the boot before.
  const isReportOld = progress?.status?.bootId === input.runningBootId(node) || !isOfOneBoot(node);
  if (isReportOld) return verdict(node, 'updated');
  const again =
    progress === undefined ? 'a new rollout' : `ctl retry ${progress.metadata.name} or a new rollout`;
  return verdict(node, 'drifted', {
    reason: 'Drifted',
    message: `runs ${input.runningVersion(node) || 'an unknown version'} although this rollout acted on it: it is left alone until ${again}`,
  });
}

const isBeingTakenAway = (other: OSUpgradeProgress | undefined): boolean =>
  other !== undefined && hasBegunDraining(other);

function judgeNew(node: NodeState, input: JudgeInput): NodeVerdict {
  if (!isManaged(node)) {
    const message = node.hasReported ? 'the pod of its agent is gone' : 'no agent has reported from it';
    return verdict(node, 'skipped', {
      reason: 'AgentMissing',
      message: `${message}: see daemonset/node-agent`,
    });
  }
  if (node.slotsProblem !== undefined) return verdict(node, 'skipped', node.slotsProblem);
  const foreign = leftToUpstream(node);
  if (foreign !== undefined) return verdict(node, 'waiting', foreign);
  if (!isOfOneBoot(node)) {
    const message = 'the node has rebooted, and its kubelet or its agent has not reported since';
    return verdict(node, 'waiting', { reason: 'NodeNotReady', message });
  }
  const refusal = input.judgeChange(node, input.target.plan);
  if (refusal !== undefined) return { ...verdict(node, 'skipped', refusal), isRefused: true };
  const other = input.otherPlanOn(node);
  if (other !== undefined) {
    const message = `${other.metadata.name} is still being worked on there`;
    return verdict(node, 'waiting', { reason: 'OtherPlanRunning', message });
  }
  if (!node.ready)
    return verdict(node, 'waiting', { reason: 'NodeNotReady', message: 'the node is not Ready' });
  return verdict(node, 'waiting');
}
