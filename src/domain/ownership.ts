import type { Successor } from '../api/request-status.ts';
import type { NodeState } from './node-state.ts';
import { titleOf } from './progress.ts';
import type { AnyStatus, Request } from './request.ts';
import { selectorOf } from './selector.ts';

/** A valid request's claim on the nodes that it selects. */
export interface Claim {
  readonly uid: string;
  readonly startedAt: string;
  /** What an older request remembers of it. */
  readonly successor: Successor;
  selects(node: NodeState): boolean;
}

/** The claim of a request whose target is known and that was not rejected; `undefined` for any other. */
export function claimOf(request: ClaimingRequest): Claim | undefined {
  const { metadata, isTargetKnown, selects, status, kind, selector } = request;
  const { phase, rolloutStartedAt } = status ?? {};
  const isValid = isTargetKnown && (phase === 'Pending' || phase === 'Accepted');
  if (!isValid || !rolloutStartedAt || metadata.deletionTimestamp !== undefined) return undefined;
  const { uid, name, namespace } = metadata;
  const successor = { kind, name, ...(namespace === undefined ? {} : { namespace }), ...selector };
  return { uid, startedAt: rolloutStartedAt, successor, selects };
}

type ClaimingRequest = Pick<
  Request,
  'kind' | 'metadata' | 'isTargetKnown' | 'selector' | 'selects' | 'status'
>;

/** The claims of all valid requests. */
export const claimsOf = (requests: readonly Request[]): Claim[] =>
  requests.map(claimOf).filter(claim => claim !== undefined);

/** Whether a claim is newer than another: the later start of a rollout, then the greater UID. */
export function isNewer(claim: Claim, than: Claim): boolean {
  const differenceMs = Date.parse(claim.startedAt) - Date.parse(than.startedAt);
  return differenceMs === 0 ? claim.uid > than.uid : differenceMs > 0;
}

/** The claims that win over a claim, newest first. */
export const newerThan = (claim: Claim, claims: readonly Claim[]): Claim[] =>
  claims
    .filter(other => other.uid !== claim.uid && isNewer(other, claim))
    .toSorted((left, right) => (isNewer(left, right) ? -1 : 1));

/**
 * Tells by which newer claim a node was taken from a claim, now or earlier in its rollout; `undefined` if it was not.
 * What was lost stays lost, so that deleting a request never starts another change.
 * @param newer as `newerThan` gives them
 */
export function supersededBy(node: NodeState, newer: readonly Claim[], lost: LostNodes): string | undefined {
  const newest = newer.find(({ selects }) => selects(node));
  if (newest !== undefined) return `${titleOf(newest.successor)} is newer and selects the node`;
  const earlier = lost.find(({ selects }) => selects(node));
  return earlier && `${earlier.title} was newer and took the node over`;
}

/** The same for one node of a request whose rollout has begun. */
export function takenFrom(
  request: ClaimingRequest,
  node: NodeState,
  claims: readonly Claim[],
): string | undefined {
  const claim = claimOf(request);
  return claim && supersededBy(node, newerThan(claim, claims), lostNodesOf(request.status));
}

/** The nodes that a rollout lost to newer requests, by what those selected: they may be gone or changed since. */
export type LostNodes = readonly { readonly title: string; selects(node: NodeState): boolean }[];

/** Reads from a status which nodes its rollout lost. */
export const lostNodesOf = (status: Pick<AnyStatus, 'supersededBy'> | undefined): LostNodes =>
  (status?.supersededBy ?? []).map(successor => ({
    title: titleOf(successor),
    selects: selectorOf(successor),
  }));

/** As many as a status holds. Who took the first of them over is forgotten, as its request is hardly there any more. */
const MAX_SUCCESSORS = 50;

/** What a rollout remembers of the newer requests that took over one of `nodes`, beside those that it knew already. */
export function rememberSuccessors(
  before: Successor[],
  newer: readonly Claim[],
  nodes: readonly NodeState[],
): Successor[] {
  const known = new Set(before.map(keyOfSuccessor));
  const added = newer
    .filter(({ successor, selects }) => !known.has(keyOfSuccessor(successor)) && nodes.some(selects))
    .map(({ successor }) => successor);
  return added.length === 0 ? before : [...before, ...added].slice(-MAX_SUCCESSORS);
}

const keyOfSuccessor = ({ kind, namespace, name, nodeSelector, nodeselector }: Successor): string =>
  JSON.stringify([kind, namespace, name, Object.entries(nodeSelector ?? {}).toSorted(), nodeselector]);
