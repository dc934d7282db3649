import type { DrainPolicy, OSUpgradeProgress } from '../../api/monok8s/index.ts';
import { toTimestamp } from '../../domain/clock.ts';
import { fateOf, nameOf, type PodFate } from '../../domain/drain.ts';
import type { NodeState } from '../../domain/node-state.ts';
import type { PodFacts } from '../../domain/pod.ts';
import { gateState } from '../../domain/progress.ts';
import type { FieldNames } from '../../domain/request.ts';
import type { Refusal } from '../../domain/version-change.ts';
import { changeOf, toGate } from './decide-gate.ts';
import type { DecisionPart, DrainView, NodeSnapshot } from './decision.ts';

/** Waits shorter than this are everyday life, and not worth a write. */
const QUIET_MS = 3000;

/** What of a request a drain depends on. */
export interface DrainRules {
  readonly drain: DrainPolicy;
  readonly fields: Pick<FieldNames, 'forcesEviction'>;
}

/** Decides the next step of a drain that has begun. */
export function decideDrain(
  snapshot: NodeSnapshot,
  node: NodeState,
  progress: OSUpgradeProgress,
  { drain: policy, fields }: DrainRules,
): DecisionPart {
  if (gateState(progress) !== 'Draining') return { actions: [] };
  if (!node.unschedulable) return { actions: [{ type: 'cordon', node, progress }], watchPods: false };
  const open = toGate(
    progress,
    'Open',
    { reason: 'Drained', message: 'the node is drained' },
    snapshot.nowMs,
  );
  if (policy.skip) return { actions: changeOf(progress, open) };
  const timeoutAtMs = sinceMs(progress, snapshot) + policy.timeoutSeconds * 1000;
  const { drain, systemNamespace } = snapshot;
  const { pods } = drain;
  if (pods !== undefined && timeoutAtMs > snapshot.nowMs) {
    const fates = pods.map(pod => ({ pod, fate: fateOf(pod, policy, { systemNamespace, ...fields }) }));
    const left = fates.filter(({ fate }) => fate.action !== 'ignore');
    if (left.length === 0) return { actions: changeOf(progress, open) };
    return waitForPods(snapshot, progress, left, timeoutAtMs);
  }
  if (timeoutAtMs <= snapshot.nowMs)
    return { actions: changeOf(progress, timedOut(snapshot, progress, policy)) };
  return { actions: [], watchPods: true, recheckAtMs: timeoutAtMs };
}

const sinceMs = (progress: OSUpgradeProgress, { nowMs }: NodeSnapshot): number =>
  Date.parse(progress.spec.plan?.gate.since ?? '') || nowMs;

function timedOut({ nowMs }: NodeSnapshot, progress: OSUpgradeProgress, { timeoutSeconds }: DrainPolicy) {
  const last = progress.spec.plan?.gate.message ?? '';
  const message = `the node was not empty after ${timeoutSeconds} s; last: ${last}. The image stays staged: remove what blocks, then change spec.retryNonce`;
  return toGate(progress, 'Failed', { reason: 'DrainTimeout', message }, nowMs);
}

interface PodLeft {
  readonly pod: PodFacts;
  readonly fate: PodFate;
}

function waitForPods(
  { drain, nowMs }: NodeSnapshot,
  progress: OSUpgradeProgress,
  left: readonly PodLeft[],
  timeoutAtMs: number,
): DecisionPart {
  const toEvict = left.filter(({ fate }) => fate.action === 'evict').map(({ pod }) => pod.uid);
  const isDue = (uid: string): boolean => (drain.asked.get(uid)?.retryAtMs ?? nowMs) <= nowMs;
  const due = toEvict.filter(isDue);
  const retries = toEvict.flatMap(uid => drain.asked.get(uid)?.retryAtMs ?? []).filter(ms => ms > nowMs);
  const quietUntilMs = (Date.parse(progress.spec.plan?.gate.since ?? '') || nowMs) + QUIET_MS;
  const isQuiet = quietUntilMs > nowMs;
  const waits = left.flatMap(entry => waitOf(entry, drain) ?? []);
  const said = progress.spec.plan?.gate.message;
  const why = isQuiet ? undefined : (waits.find(({ message }) => message === said) ?? waits[0]);
  return {
    actions: [
      ...(due.length === 0 ? [] : [{ type: 'evict' as const, podUids: due }]),
      ...(why === undefined ? [] : changeOf(progress, toGate(progress, 'Draining', why, nowMs))),
    ],
    watchPods: true,
    recheckAtMs: Math.min(timeoutAtMs, ...retries, ...(isQuiet ? [quietUntilMs] : [])),
  };
}

/** What a pod keeps a drain waiting for. No text of it changes while the wait is the same. */
function waitOf({ pod, fate }: PodLeft, { asked }: DrainView): Refusal | undefined {
  const refusal = asked.get(pod.uid)?.refusal;
  if (fate.action === 'block') return fate;
  if (fate.action === 'await') {
    const message = `pod ${nameOf(pod)} is terminating; its time is over at ${pod.deletionTimestamp ?? ''}`;
    return { reason: 'PodTerminating', message };
  }
  if (refusal === undefined) return undefined;
  const { budget, message, sinceMs } = refusal;
  const [reason, why] =
    budget === undefined
      ? ['EvictionRefused', message]
      : ['PodDisruptionBudget', `PodDisruptionBudget ${budget}`];
  return {
    reason,
    message: `pod ${nameOf(pod)} may not be evicted: ${why}, since ${toTimestamp(sinceMs)}`,
  };
}
