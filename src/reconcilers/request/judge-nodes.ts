import { type OSUpgradeProgress, ROLLOUT_ANNOTATION } from '../../api/monok8s/index.ts';
import type { Successor } from '../../api/request-status.ts';
import {
  type Claim,
  claimOf,
  lostNodesOf,
  newerThan,
  rememberSuccessors,
  supersededBy,
} from '../../domain/ownership.ts';
import { isActive, isFor } from '../../domain/progress.ts';
import type { AnyStatus, Target } from '../../domain/request.ts';
import { rolloutMark } from '../../domain/rollout-key.ts';
import { type JudgeInput, judgeNode, type NodeVerdict } from '../../domain/verdict.ts';
import type { Refusal } from '../../domain/version-change.ts';
import type { RequestSnapshot } from './decision.ts';

/** The requests that take nodes away from one, now and earlier in its rollout. */
export interface Rivalry {
  readonly newer: readonly Claim[];
  readonly successors: Successor[];
}

/** Finds them. `base` is the status of the rollout so far. */
export function rivalryOf({ request, fleet }: RequestSnapshot, base: AnyStatus): Rivalry {
  const claim = claimOf({ ...request, isTargetKnown: true, status: { ...base, phase: 'Accepted' } });
  // Once for all nodes: most claims are those of requests that were done long ago.
  const newer = claim === undefined ? [] : newerThan(claim, fleet.claims);
  const nodes = fleet.nodes.filter(request.selects);
  return { newer, successors: rememberSuccessors(base.supersededBy ?? [], newer, nodes) };
}

/** A rollout and what it brings. */
interface Rollout {
  readonly base: AnyStatus;
  readonly target: Target;
}

/** Judges every node that the request selects, or that has an object of it. */
export function judgeAll(
  { request, fleet }: RequestSnapshot,
  { newer, successors }: Rivalry,
  { base, target }: Rollout,
): NodeVerdict[] {
  const ours = fleet.progresses.filter(progress => isFor(progress, request));
  const ofRollout = ours.filter(({ spec }) => spec.plan?.rollout === base.rollout);
  const planless = ours.filter(
    ({ spec, metadata }) => spec.plan === undefined && metadata.deletionTimestamp === undefined,
  );
  const byNode = Map.groupBy(ofRollout, ({ spec }) => spec.nodeName);
  const handMade = Map.groupBy(planless, ({ spec }) => spec.nodeName);
  const lost = lostNodesOf({ supersededBy: successors });
  const mark = rolloutMark(request.metadata.uid, base.rollout ?? 0);
  const own = new Set(ofRollout);
  const isActiveOther = (progress: OSUpgradeProgress): boolean => isActive(progress) && !own.has(progress);
  const input: JudgeInput = {
    ...request,
    target,
    isMarked: ({ annotations }) => annotations[ROLLOUT_ANNOTATION] === mark,
    supersededBy: node => supersededBy(node, newer, lost),
    progressesOf: ({ name }) => byNode.get(name) ?? [],
    handMadeOf: ({ name }) => handMade.get(name) ?? [],
    otherPlanOn: ({ name }) => fleet.progressesByNode.get(name)?.find(isActiveOther),
  };
  return fleet.nodes
    .filter(node => request.selects(node) || byNode.has(node.name) || handMade.has(node.name))
    .map(node => judgeNode(node, input));
}

/** The reason why a request can be done on none of its nodes, if that is so. */
export function refusalOfAll(verdicts: readonly NodeVerdict[]): Refusal | undefined {
  const [first] = verdicts;
  if (first === undefined || !verdicts.every(({ isRefused }) => isRefused)) return undefined;
  const { reason, message, node } = first;
  const again =
    reason === 'VersionUnknown' ? '' : '; then change this request, or delete it and apply it again';
  return { reason, message: `${node.name}: ${message}${again}` };
}
