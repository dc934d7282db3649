import { CORDONED_BY_ANNOTATION, type DrainPolicy, type OSUpgradeProgress } from '../../api/monok8s/index.ts';
import { toTimestamp } from '../../domain/clock.ts';
import { blockOf, fateOf, nameOf, type PodFate } from '../../domain/drain.ts';
import type { NodeState } from '../../domain/node-state.ts';
import type { PodFacts } from '../../domain/pod.ts';
import { gateState } from '../../domain/progress.ts';
import type { FieldNames } from '../../domain/request.ts';
import type { Refusal } from '../../domain/version-change.ts';
import { changeOf, toGate } from './decide-gate.ts';
import type { DecisionPart, DrainView, NodeSnapshot } from './decision.ts';
import { podsSeen } from './pods-seen.ts';

/** Waits shorter than this are everyday life, and not worth a write. */
const QUIET_MS = 3000;

/** What of a request a drain depends on. */
export interface DrainRules {
  readonly drain: DrainPolicy;
  /** Absent where the request is gone. */
  readonly fields?: Pick<FieldNames, 'forcesEviction'>;
}

/** Decides the next step of a drain that has begun. */
export function decideDrain(
  snapshot: NodeSnapshot,
  node: NodeState,
  progress: OSUpgradeProgress,
  rules: DrainRules,
): DecisionPart {
  if (gateState(progress) !== 'Draining') return { actions: [] };
  if (!isCordonedFor(node, progress))
    return { actions: [{ type: 'cordon', node, progress }], watchPods: false };
  const { drain: policy } = rules;
  if (policy.skip) return { actions: open(snapshot, progress) };
  const timeoutAtMs = sinceMs(progress, snapshot) + policy.timeoutSeconds * 1000;
  if (timeoutAtMs <= snapshot.nowMs)
    return { actions: changeOf(progress, timedOut(snapshot, progress, policy)) };
  const seen = podsSeen(snapshot);
  if (seen.pods !== undefined) return emptyNode(snapshot, progress, rules, { pods: seen.pods, timeoutAtMs });
  return {
    actions: seen.why === undefined ? [] : tell(snapshot, progress, seen.why),
    watchPods: true,
    recheckAtMs: Math.min(timeoutAtMs, seen.recheckAtMs),
  };
}

/** Also by someone else, who then keeps it. What an earlier plan of ours left is taken over. */
const isCordonedFor = ({ unschedulable, annotations }: NodeState, { metadata }: OSUpgradeProgress): boolean =>
  unschedulable && [undefined, metadata.name].includes(annotations[CORDONED_BY_ANNOTATION]);

const open = ({ nowMs }: NodeSnapshot, progress: OSUpgradeProgress): DecisionPart['actions'] =>
  changeOf(progress, toGate(progress, 'Open', { reason: 'Drained', message: 'the node is drained' }, nowMs));

/** Says what the drain waits for. */
const tell = ({ nowMs }: NodeSnapshot, progress: OSUpgradeProgress, why: Refusal): DecisionPart['actions'] =>
  changeOf(progress, toGate(progress, 'Draining', why, nowMs));

const sinceMs = (progress: OSUpgradeProgress, { nowMs }: NodeSnapshot): number =>
  Date.parse(progress.spec.plan?.gate.since ?? '') || nowMs;

function timedOut({ nowMs }: NodeSnapshot, progress: OSUpgradeProgress, { timeoutSeconds }: DrainPolicy) {
  const last = progress.spec.plan?.gate.message ?? '';
  const message = `the node was not empty after ${timeoutSeconds} s; last: ${last}. The image stays staged: remove what blocks, then change spec.retryNonce`;
  return toGate(progress, 'Failed', { reason: 'DrainTimeout', message }, nowMs);
}

interface Drain {
  readonly pods: readonly PodFacts[];
  readonly timeoutAtMs: number;
}

interface PodLeft {
  readonly pod: PodFacts;
  readonly fate: PodFate;
}

function emptyNode(
  snapshot: NodeSnapshot,
  progress: OSUpgradeProgress,
  { drain: policy, fields }: DrainRules,
  { pods, timeoutAtMs }: Drain,
): DecisionPart {
  const place = { ...snapshot, ...fields };
  const left = pods
    .map(pod => ({ pod, fate: fateOf(pod, policy, place) }))
    .filter(({ fate }) => fate.action !== 'ignore');
  if (left.length === 0) return { actions: open(snapshot, progress) };
  const block = blockOf(pods, policy, place);
  // A node that cannot be emptied keeps what still runs there.
  if (block !== undefined)
    return { actions: tell(snapshot, progress, block), watchPods: true, recheckAtMs: timeoutAtMs };
  return waitForPods(snapshot, progress, left, timeoutAtMs);
}

/** One round of evictions ends within one call's time, so that the drain's own time is kept. */
const MAX_EVICTIONS_AT_ONCE = 10;

function waitForPods(
  snapshot: NodeSnapshot,
  progress: OSUpgradeProgress,
  left: readonly PodLeft[],
  timeoutAtMs: number,
): DecisionPart {
  const { drain, nowMs } = snapshot;
  const toEvict = left
    .filter(({ fate }) => fate.action === 'evict')
    .map(({ pod: { uid } }) => ({ uid, atMs: drain.asked.get(uid)?.retryAtMs ?? 0 }));
  const due = toEvict
    .filter(({ atMs }) => atMs <= nowMs)
    .toSorted((one, other) => one.atMs - other.atMs)
    .slice(0, MAX_EVICTIONS_AT_ONCE);
  const retries = toEvict.map(({ atMs }) => atMs).filter(ms => ms > nowMs);
  const quietUntilMs = sinceMs(progress, snapshot) + QUIET_MS;
  const isQuiet = quietUntilMs > nowMs;
  const waits = left.flatMap(entry => waitOf(entry, drain) ?? []);
  const said = progress.spec.plan?.gate.message;
  const why = isQuiet ? undefined : (waits.find(({ message }) => message === said) ?? waits[0]);
  return {
    actions: [
      ...(due.length === 0 ? [] : [{ type: 'evict' as const, podUids: due.map(({ uid }) => uid) }]),
      ...(why === undefined ? [] : tell(snapshot, progress, why)),
    ],
    watchPods: true,
    recheckAtMs: Math.min(timeoutAtMs, ...retries, ...(isQuiet ? [quietUntilMs] : [])),
  };
}

/** What a pod keeps a drain waiting for. No text of it changes while the wait is the same. */
function waitOf({ pod, fate }: PodLeft, { asked }: DrainView): Refusal | undefined {
  if (fate.action === 'await') {
    const message = `pod ${nameOf(pod)} is terminating; its time is over at ${pod.deletionTimestamp ?? ''}`;
    return { reason: 'PodTerminating', message };
  }
  const refusal = asked.get(pod.uid)?.refusal;
  if (refusal === undefined) return undefined;
  const { budget, message, sinceMs: refusedSinceMs } = refusal;
  const [reason, why] =
    budget === undefined
      ? ['EvictionRefused', message]
      : ['PodDisruptionBudget', `PodDisruptionBudget ${budget}`];
  return {
    reason,
    message: `pod ${nameOf(pod)} may not be evicted: ${why}, since ${toTimestamp(refusedSinceMs)}`,
  };
}
