import type { NodeState } from './node-state.ts';
import type { AnyStatus, Request } from './request.ts';

/** Longest list of skipped nodes in a status. */
export const MAX_SKIPPED = 100;

/** A valid request's claim on the nodes that it selects. */
export interface Claim {
  readonly uid: string;
  /** `OSUpgrade my-upgrade`, `OS default/os-sample`: for messages. */
  readonly title: string;
  readonly startedAt: string;
  selects(node: NodeState): boolean;
}

/** The claim of a request whose target is known and that was not rejected; `undefined` for any other. */
export function claimOf({
  metadata,
  title,
  isTargetKnown,
  selects,
  status,
}: ClaimingRequest): Claim | undefined {
  const { phase, rolloutStartedAt } = status ?? {};
  const isValid = isTargetKnown && (phase === 'Pending' || phase === 'Accepted');
  if (!isValid || !rolloutStartedAt || metadata.deletionTimestamp !== undefined) return undefined;
  return { uid: metadata.uid, title, startedAt: rolloutStartedAt, selects };
}

type ClaimingRequest = Pick<Request, 'metadata' | 'title' | 'isTargetKnown' | 'selects' | 'status'>;

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
 */
export function supersededBy(
  claim: Claim,
  node: NodeState,
  claims: readonly Claim[],
  lost: LostNodes,
): string | undefined {
  const [newest] = newerThan(claim, claims).filter(other => other.selects(node));
  if (newest !== undefined) return `${newest.title} is newer and selects the node`;
  return lost === 'all' || lost.has(node.name) ? 'a newer request took the node over before' : undefined;
}

/** The nodes that a rollout lost to newer requests. */
export type LostNodes = ReadonlySet<string> | 'all';

/** Reads from a status which nodes its rollout lost. A list that is full may lack some: then all count as lost. */
export function lostNodesOf(status: AnyStatus | undefined): LostNodes {
  const skipped = status?.skippedNodes ?? [];
  const lost = skipped.filter(node => node.reason === 'Superseded').map(node => node.name);
  return lost.length >= MAX_SKIPPED ? 'all' : new Set(lost);
}
