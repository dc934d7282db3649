import { type OSUpgradeProgress, ROLLOUT_ANNOTATION } from '../../api/monok8s/index.ts';
import { SERIAL_LABEL } from '../../api/openeuler/index.ts';
import { allowedUnavailable, nodesOf } from '../../domain/budget.ts';
import { type Hold, holdOf, isMistake } from '../../domain/hold.ts';
import { leftToUpstream, type NodeState } from '../../domain/node-state.ts';
import { hasActed, hasBegunDraining, isActive, isFor, titleOf } from '../../domain/progress.ts';
import type { AnyStatus, Target } from '../../domain/request.ts';
import { type Choice, chooseNodes } from '../../domain/rollout.ts';
import { rolloutMark } from '../../domain/rollout-key.ts';
import { type Silence, silenceOf } from '../../domain/silence.ts';
import type { NodeVerdict } from '../../domain/verdict.ts';
import type { Refusal } from '../../domain/version-change.ts';
import { NO_WRITES, type RequestDecision, type RequestSnapshot } from './decision.ts';
import { judgeAll, refusalOfAll, rivalryOf } from './judge-nodes.ts';
import { acceptedStatus, pendingStatus, rejectedStatus, type StatusInput } from './status.ts';

/** Decides what becomes of a request whose target is known: what each node gets, or why none gets anything. */
export function decideNodes(snapshot: RequestSnapshot, base: AnyStatus, target: Target): RequestDecision {
  const { request, nowMs } = snapshot;
  const rivalry = rivalryOf(snapshot, base);
  const settled = { request, base: { ...base, supersededBy: rivalry.successors }, nowMs };
  const timing = holdOf(request, nowMs, snapshot.defaultZone);
  const wasAccepted = base.phase === 'Accepted';
  const mistake = timing.refusal !== undefined && isMistake(timing.refusal) ? timing.refusal : undefined;
  if (!wasAccepted && mistake !== undefined) return rejectAll(snapshot, settled, mistake);
  const judged = judgeAll(snapshot, rivalry, { base, target });
  const refusal = refusalOfAll(judged);
  if (refusal !== undefined) {
    const status = rejectedStatus(settled, refusal, judged);
    return { ...NO_WRITES, status, refused: refuseHandMade(judged) };
  }
  const waitsFor = wasAccepted ? undefined : otherRequestsDrain(snapshot, judged);
  const choice = choose(snapshot, judged, target, waitsFor?.refusal ?? timing.refusal);
  const { verdicts, chosen } = choice;
  const silences = verdicts.map(entry => silenceOfVerdict(entry, nowMs));
  const troubles = [
    ...(mistake === undefined ? [] : [mistake]),
    ...silences.flatMap(({ trouble }) => (trouble === undefined ? [] : [trouble])),
  ];
  const input = { ...settled, target, verdicts, troubles, hold: timing.refusal };
  const recheckAtMs = earliest({ timing, silences: [...silences, waitsFor ?? {}], choice, nowMs });
  return {
    status:
      waitsFor === undefined ? acceptedStatus(input) : pendingStatus(settled, waitsFor.refusal, verdicts),
    plans: chosen,
    refused: refuseHandMade(verdicts),
    unmarked: unmarkedOf(verdicts, request.metadata.uid, base.rollout ?? 0),
    turns: request.pace.isSerial && waitsFor === undefined ? turnsOf(choice) : [],
    ...(recheckAtMs === undefined ? {} : { recheckAtMs }),
  };
}

function turnsOf({ verdicts, batch }: Choice): RequestDecision['turns'] {
  const names = new Set(batch.map(({ name }) => name));
  return verdicts
    .filter(({ node, lost }) => lost === undefined && leftToUpstream(node) === undefined)
    .filter(({ node }) => names.has(node.name) !== SERIAL_LABEL in node.labels)
    .map(({ node }) => ({ node, isInBatch: names.has(node.name) }));
}

function choose(
  { request, fleet, serverVersion, nowMs }: RequestSnapshot,
  judged: readonly NodeVerdict[],
  target: Target,
  hold: Refusal | undefined,
): Choice {
  const { maxUnavailable, pace, followsControlPlane } = request;
  return chooseNodes(judged, {
    target: target.version,
    serverVersion,
    hold,
    followsControlPlane,
    pace: { ...pace, batchSize: allowedUnavailable(maxUnavailable, judged.length), nowMs },
    budget: {
      maxUnavailable,
      field: request.fields.maxUnavailable,
      all: fleet.nodes,
      atWork: nodesOf(fleet.progresses, isActive),
    },
  });
}

/** Another request's plan that has begun to drain; `undefined` if none has, or none that is heard of. */
function otherRequestsDrain(
  { request, fleet, nowMs }: RequestSnapshot,
  verdicts: readonly NodeVerdict[],
): { readonly refusal: Refusal; readonly checkAtMs?: number } | undefined {
  for (const { node } of verdicts) {
    for (const progress of fleet.progressesByNode.get(node.name) ?? []) {
      if (isFor(progress, request) || !hasBegunDraining(progress)) continue;
      // A node that died in its reboot holds a place in the budget, and no more.
      const { trouble, ...check } = silenceOf(progress, node, nowMs);
      if (trouble === undefined) return { refusal: waitFor(progress), ...check };
    }
  }
  return undefined;
}

const waitFor = ({ spec: { sourceRef, nodeName } }: OSUpgradeProgress): Refusal => ({
  reason: 'WaitingForOtherRequest',
  message: `${nodeName} is being drained or rebooted for ${titleOf(sourceRef)}: this begins when that has ended`,
});

const refuseHandMade = (verdicts: readonly NodeVerdict[]): RequestDecision['refused'] =>
  verdicts.flatMap(({ state, handMade, reason, message }) =>
    state === 'skipped' && handMade !== undefined && reason !== 'AgentMissing'
      ? [{ progress: handMade, reason, message }]
      : [],
  );

/** Rejects a request, and with it every object of it that a person made without a plan. */
export const rejectAll = (snapshot: RequestSnapshot, input: StatusInput, why: Refusal): RequestDecision => ({
  ...NO_WRITES,
  status: rejectedStatus(input, why),
  refused: refuseAll(snapshot, why),
});

/** The same refusal for every object of a request that a person made without a plan. */
export const refuseAll = (
  { request, fleet }: RequestSnapshot,
  { reason, message }: Refusal,
): RequestDecision['refused'] =>
  fleet.progresses
    .filter(progress => progress.spec.plan === undefined && isFor(progress, request))
    .map(progress => ({ progress, reason, message }));

const silenceOfVerdict = ({ state, progress, node }: NodeVerdict, nowMs: number): Silence =>
  state === 'running' && progress !== undefined ? silenceOf(progress, node, nowMs) : {};

const SERVER_VERSION_CHECK_MS = 30_000;

interface Times {
  readonly timing: Hold;
  readonly silences: readonly Silence[];
  readonly choice: Choice;
  readonly nowMs: number;
}

/** Nothing tells when the API server was upgraded, so that alone is asked for. */
function earliest({ timing, silences, choice, nowMs }: Times): number | undefined {
  const waitsForServer = choice.verdicts.some(({ reason }) => reason === 'ApiServerOlder');
  const times = [
    timing.changesAtMs,
    choice.nextBatchAtMs,
    ...silences.map(({ checkAtMs }) => checkAtMs),
    waitsForServer ? nowMs + SERVER_VERSION_CHECK_MS : undefined,
  ].filter(ms => ms !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}

function unmarkedOf(verdicts: readonly NodeVerdict[], uid: string, rollout: number): NodeState[] {
  const mark = rolloutMark(uid, rollout);
  return verdicts
    .filter(({ last, lost }) => last !== undefined && hasActed(last) && lost === undefined)
    .map(({ node }) => node)
    .filter(({ annotations }) => annotations[ROLLOUT_ANNOTATION] !== mark);
}
