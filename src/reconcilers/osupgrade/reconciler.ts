import type { OSUpgrade, OSUpgradeStatus } from '../../api/monok8s/index.ts';
import type { ControllerContext } from '../context.ts';
import { carryOut } from './act.ts';
import type { CatalogSource } from './catalog-source.ts';
import { beginRollout, decideRequest, isSettledRejection } from './decide.ts';
import type { RequestSnapshot } from './decision.ts';
import { createExpectations } from './expectations.ts';

/** Works on one request; resolves to the delay after which it is to be looked at again, if any. */
export type RequestReconciler = (name: string) => Promise<number | undefined>;

const BEHIND_MS = 1000;
const SERVER_VERSION_AGE_MS = 25_000;

/**
 * Makes the reconciler of `OSUpgrade`. One call at a time: the budget of one request counts what the one before has
 * just begun.
 */
export function createRequestReconciler(
  context: ControllerContext,
  catalogs: CatalogSource,
): RequestReconciler {
  const { world, fleet, clock, ownWrites } = context;
  const expectations = createExpectations(context);
  const serverVersion = createServerVersion(context);

  const gather = async (request: OSUpgrade): Promise<RequestSnapshot> => {
    const isKnown = beginRollout(request, 0).image !== undefined || isSettledRejection(request);
    return {
      request,
      catalog: isKnown ? { state: 'reading' } : catalogs.answer(request),
      serverVersion: await serverVersion(),
      // Last, so that nothing is older than it.
      fleet: fleet.read(),
      nowMs: clock.nowMs(),
      defaultZone: context.timeZone,
    };
  };

  return async name => {
    const cached = world.requests.get({ name });
    if (cached === undefined || cached.metadata.deletionTimestamp !== undefined) return undefined;
    if (ownWrites.isBehind(cached.metadata.uid, cached.metadata.resourceVersion)) return BEHIND_MS;
    const mayPlan = await expectations.areMet();
    const snapshot = await gather(cached);
    const decision = decideRequest(snapshot);
    await carryOut(context, expectations, cached, mayPlan ? decision : { ...decision, plans: [] });
    announce(context, cached, decision.status);
    if (!mayPlan && decision.plans.length > 0) return BEHIND_MS;
    return decision.recheckAtMs === undefined
      ? undefined
      : Math.max(0, decision.recheckAtMs - snapshot.nowMs);
  };
}

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

/** Tells in an Event and the log what changed for a person. */
function announce(
  { events, log }: ControllerContext,
  { metadata, apiVersion, kind, status }: OSUpgrade,
  next: OSUpgradeStatus,
): void {
  const about = { apiVersion, kind, name: metadata.name, uid: metadata.uid };
  const { phase, reason = '', message = '' } = next;
  if (phase !== status?.phase || reason !== status?.reason) {
    log.info('request changed', { request: metadata.name, phase, reason, detail: message });
    events.record(about, phase === 'Rejected' ? 'Warning' : 'Normal', reason, message);
  }
  for (const type of ['Degraded', 'Superseded']) {
    const before = status?.conditions?.find(condition => condition.type === type);
    const after = next.conditions?.find(condition => condition.type === type);
    if (after?.status !== 'True' || phase === 'Rejected') continue;
    if (before?.status === 'True' && before.reason === after.reason) continue;
    log.warn('request needs attention', {
      request: metadata.name,
      reason: after.reason,
      detail: after.message,
    });
    events.record(about, 'Warning', after.reason, after.message);
  }
}
