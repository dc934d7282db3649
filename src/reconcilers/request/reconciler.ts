import type { ObjectMeta } from '../../api/meta.ts';
import type { Request, Target } from '../../domain/request.ts';
import type { ControllerContext } from '../context.ts';
import { asTransientIfGone } from '../gone.ts';
import type { OwnWrites } from '../own-writes.ts';
import { carryOut } from './act.ts';
import { decideRequest } from './decide.ts';
import type { RequestDecision, RequestSnapshot } from './decision.ts';
import { createExpectations } from './expectations.ts';
import { findByKey } from './request-key.ts';
import type { TargetSource } from './target-source.ts';

/** Works on one request; resolves to the delay after which it is to be looked at again, if any. */
export type RequestReconciler = (key: string) => Promise<number | undefined>;

const BEHIND_MS = 1000;
const SERVER_VERSION_AGE_MS = 25_000;

/**
 * Makes the reconciler of requests of both APIs. One call at a time: the budget of one request counts what the one
 * before has just begun.
 */
export function createRequestReconciler(
  context: ControllerContext,
  targets: TargetSource,
): RequestReconciler {
  const { world, fleet, clock, ownWrites } = context;
  const expectations = createExpectations(context);
  const serverVersion = createServerVersion(context);

  const gather = async (request: Request): Promise<RequestSnapshot> => ({
    request,
    ...targets.answer(request),
    serverVersion: request.followsControlPlane ? await serverVersion() : '',
    // Last, so that nothing is older than it.
    fleet: fleet.read(),
    nowMs: clock.nowMs(),
    defaultZone: context.timeZone,
  });

  return async key => {
    const mayPlan = await expectations.areMet();
    const cached = findByKey(world, key);
    if (cached === undefined || cached.metadata.deletionTimestamp !== undefined) return undefined;
    if (ownWrites.isBehind(cached.metadata.uid, cached.metadata.resourceVersion)) return BEHIND_MS;
    const snapshot = await gather(cached);
    const decided = decideRequest(snapshot);
    const decision = withoutStale(decided, mayPlan, ownWrites);
    const target = targetOf(snapshot);
    context.log.debug('request looked at', { request: cached.title, plans: decision.plans.length });
    await carryOut(context, expectations, cached, { decision, target }).catch(asTransientIfGone);
    if (countWrites(decision) < countWrites(decided)) return BEHIND_MS;
    return decided.recheckAtMs === undefined ? undefined : Math.max(0, decided.recheckAtMs - snapshot.nowMs);
  };
}

/** The part of a decision that does not rest on a cache which has yet to see what we wrote. */
function withoutStale(decided: RequestDecision, mayPlan: boolean, ownWrites: OwnWrites): RequestDecision {
  const isSeen = ({ uid, resourceVersion }: Versioned): boolean => !ownWrites.isBehind(uid, resourceVersion);
  // A batch is entered as a whole, or the rest of it would come after the next one.
  const isCurrent = mayPlan && decided.turns.every(({ node }) => isSeen(node));
  return {
    ...decided,
    ...(isCurrent ? {} : { plans: [], turns: [] }),
    unmarked: decided.unmarked.filter(isSeen),
    refused: decided.refused.filter(({ progress }) => isSeen(progress.metadata)),
  };
}

type Versioned = Pick<ObjectMeta, 'uid' | 'resourceVersion'>;

const countWrites = ({ plans, refused, unmarked, turns }: RequestDecision): number =>
  plans.length + refused.length + unmarked.length + turns.length;

const targetOf = ({ answer }: RequestSnapshot): Target | undefined =>
  answer.state === 'resolved' ? answer.target : undefined;

/** Nothing tells when the API server was upgraded: asked for again when a decision is made and the answer is old. */
function createServerVersion({ client, clock, signal }: ControllerContext): () => Promise<string> {
  let version = '';
  let askedAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (clock.monotonicMs() - askedAtMs < SERVER_VERSION_AGE_MS) return version;
    version = await client.serverVersion({ signal });
    askedAtMs = clock.monotonicMs();
    return version;
  };
}
