import type { Gate, OSUpgradeProgress } from '../../api/monok8s/index.ts';
import { createBudget, nodesOf } from '../../domain/budget.ts';
import { toTimestamp } from '../../domain/clock.ts';
import { blockOf, canBlock } from '../../domain/drain.ts';
import { holdOf } from '../../domain/hold.ts';
import { leftToUpstream, type NodeState } from '../../domain/node-state.ts';
import { takenFrom } from '../../domain/ownership.ts';
import { currentAttempt, gateState, hasBegunDraining, isAtGate } from '../../domain/progress.ts';
import type { Request } from '../../domain/request.ts';
import type { Refusal } from '../../domain/version-change.ts';
import type { DecisionPart, NodeSnapshot } from './decision.ts';
import { podsSeen } from './pods-seen.ts';

/** Decides about a plan that waits for its drain to begin: cancel it, let it wait and say why, or begin. */
export function decideGate(
  snapshot: NodeSnapshot,
  node: NodeState,
  progress: OSUpgradeProgress,
  request: Request,
): DecisionPart {
  const state = gateState(progress);
  // The agent has that word and ends the attempt.
  if (state === 'Failed' || state === 'Cancelled') return { actions: [] };
  const cancelled = whyCancelled(snapshot, node, progress, request);
  if (cancelled !== undefined) return cancellationOf(progress, cancelled, snapshot.nowMs);
  if (!isAtGate(progress)) return { actions: [] };
  const hold = holdOf(request, snapshot.nowMs, snapshot.defaultZone);
  const recheck = hold.changesAtMs === undefined ? {} : { recheckAtMs: hold.changesAtMs };
  if (hold.refusal !== undefined) return { ...stayClosed(snapshot, progress, hold.refusal), ...recheck };
  const whyNot = whyNotNow(snapshot, node, progress, request);
  const held = canBlock(request.drain) ? heldByPods(snapshot, progress, request, whyNot) : undefined;
  if (held !== undefined) return soonerOf(held, recheck);
  if (whyNot !== undefined) return { ...stayClosed(snapshot, progress, whyNot), ...recheck };
  const gate = toGate(progress, 'Draining', BEGINS, snapshot.nowMs);
  // The pods are listed anew after the cordon: the scheduler may have sent one meanwhile.
  return {
    actions: [{ type: 'gate', progress, gate, drain: request.drain }],
    watchPods: false,
    ...recheck,
  };
}

/** The part, looked at again at the earlier of its own time and another. */
function soonerOf(part: DecisionPart, { recheckAtMs }: Pick<DecisionPart, 'recheckAtMs'>): DecisionPart {
  if (recheckAtMs === undefined) return part;
  return { ...part, recheckAtMs: Math.min(part.recheckAtMs ?? recheckAtMs, recheckAtMs) };
}

const stayClosed = ({ nowMs }: NodeSnapshot, progress: OSUpgradeProgress, why: Refusal): DecisionPart => ({
  actions: changeOf(progress, toGate(progress, 'Closed', why, nowMs)),
});

/** Looks before anything is disturbed whether the node can be emptied: a pod that waits for a person comes first. */
function heldByPods(
  snapshot: NodeSnapshot,
  progress: OSUpgradeProgress,
  { drain, fields }: Request,
  whyNot: Refusal | undefined,
): DecisionPart | undefined {
  const seen = podsSeen(snapshot);
  const block = seen.pods && blockOf(seen.pods, drain, { ...snapshot, ...fields });
  const why = block ?? whyNot ?? seen.why;
  if (why === undefined && seen.pods !== undefined) return undefined;
  return {
    ...(why === undefined ? { actions: [] } : stayClosed(snapshot, progress, why)),
    watchPods: true,
    ...(seen.pods === undefined && { recheckAtMs: seen.recheckAtMs }),
  };
}
const BEGINS: Refusal = { reason: 'Draining', message: 'the node is being drained' };

/** The gate's word for the attempt that the agent is at. `since` stays while the state stays. */
export function toGate(progress: OSUpgradeProgress, state: Gate['state'], why: Refusal, nowMs: number): Gate {
  const before = progress.spec.plan?.gate;
  const isSame = before?.state === state && before.attempt === currentAttempt(progress);
  const since = isSame ? (before.since ?? null) : toTimestamp(nowMs);
  return { state, attempt: currentAttempt(progress), since, reason: why.reason, message: why.message };
}

/** The write that makes the gate say `gate`; nothing if it says so already. */
export function changeOf(progress: OSUpgradeProgress, gate: Gate): DecisionPart['actions'] {
  const before = progress.spec.plan?.gate;
  const isSame =
    before?.state === gate.state &&
    before.attempt === gate.attempt &&
    before.reason === gate.reason &&
    before.message === gate.message;
  return isSame ? [] : [{ type: 'gate', progress, gate }];
}

/** Ends the current attempt before anything was disturbed. */
export const cancellationOf = (progress: OSUpgradeProgress, why: Refusal, nowMs: number): DecisionPart => ({
  actions: changeOf(progress, toGate(progress, 'Cancelled', why, nowMs)),
});

function whyCancelled(
  { fleet }: NodeSnapshot,
  node: NodeState,
  progress: OSUpgradeProgress,
  request: Request,
): Refusal | undefined {
  const { status, rolloutKey, title } = request;
  const isCurrent = progress.spec.plan?.rollout === status?.rollout && rolloutKey === status?.rolloutKey;
  if (!isCurrent) {
    const message = `${title} was changed: another rollout takes the place of this one`;
    return { reason: 'RequestChanged', message };
  }
  const newer = takenFrom(request, node, fleet.claims);
  if (newer !== undefined) return { reason: 'Superseded', message: newer };
  if (status?.phase === 'Rejected')
    return { reason: status.reason ?? 'Rejected', message: status.message ?? 'the request is rejected' };
  // What slots that cannot be read hold is not known. The agent looks at them anew in each attempt and says so.
  if (node.slotsProblem !== undefined) return undefined;
  // A retry of a refused object, or one long after: the node may have changed since the plan was made.
  const { plan } = progress.spec;
  return plan && request.judgeChange(node, plan);
}

/** Why the node may not be taken out of service now. Plans that only stage disturb nothing and do not count. */
function whyNotNow(
  { fleet, reserved }: NodeSnapshot,
  node: NodeState,
  progress: OSUpgradeProgress,
  { maxUnavailable, selects, fields }: Request,
): Refusal | undefined {
  const draining = nodesOf(fleet.progresses, other => other !== progress && hasBegunDraining(other));
  if (draining.has(node.name))
    return { reason: 'OtherPlanRunning', message: 'another plan is being worked on here' };
  const foreign = leftToUpstream(node);
  if (foreign !== undefined) return foreign;
  if (node.slotsProblem !== undefined) return node.slotsProblem;
  return createBudget({
    maxUnavailable,
    field: fields.maxUnavailable,
    selected: fleet.nodes.filter(other => other === node || selects(other)),
    all: fleet.nodes,
    atWork: new Set([...draining, ...reserved]),
    failed: new Set(),
  }).refusalOf(node);
}
