import type { AnyStatus, Request } from '../../domain/request.ts';
import { decideNodes, refuseAll, rejectAll } from './decide-nodes.ts';
import { NO_WRITES, type RequestDecision, type RequestSnapshot } from './decision.ts';
import { pendingStatus } from './status.ts';

/** Another rollout begins when a field changes that changes plans. */
export function beginRollout({ rolloutKey, status }: Request, nowMs: number): AnyStatus {
  if (status?.rolloutKey === rolloutKey) return status;
  return {
    rollout: (status?.rollout ?? 0) + 1,
    rolloutKey,
    // Finer than the seconds of other times: the order of two requests hangs on it.
    rolloutStartedAt: new Date(nowMs).toISOString(),
    ...(status?.conditions === undefined ? {} : { conditions: status.conditions }),
  };
}

const isRejected = ({ metadata, status, rolloutKey }: Request): boolean =>
  status?.phase === 'Rejected' &&
  status.rolloutKey === rolloutKey &&
  status.observedGeneration === metadata.generation;

/** What was refused lies elsewhere: it is corrected there, and applying the same request again changes nothing. */
const isRefusedElsewhere = ({ request, isReadElsewhere }: Asked): boolean =>
  request.status?.image === undefined && isReadElsewhere;

type Asked = Pick<RequestSnapshot, 'request' | 'isReadElsewhere'>;

/** A rejected request stays so until a person changes what is wrong: else it would begin by itself some day. */
export const isSettledRejection = (asked: Asked): boolean =>
  isRejected(asked.request) &&
  asked.request.status?.reason !== 'VersionUnknown' &&
  !isRefusedElsewhere(asked);

/** Later than every other rollout that is known, whatever the clock of the controller that began it said. */
const startMs = ({ fleet, nowMs }: RequestSnapshot): number =>
  Math.max(nowMs, ...fleet.claims.map(({ startedAt }) => (Date.parse(startedAt) || 0) + 1));

/** Decides what becomes of a request. */
export function decideRequest(snapshot: RequestSnapshot): RequestDecision {
  const { request, nowMs, answer } = snapshot;
  const base = beginRollout(request, startMs(snapshot));
  const settled = { request, base, nowMs };
  const isAwaited = isRejected(request) && isRefusedElsewhere(snapshot) && answer.state === 'reading';
  if (isSettledRejection(snapshot) || isAwaited) {
    const why = { reason: base.reason ?? '', message: base.message ?? '' };
    return { ...NO_WRITES, status: base, refused: refuseAll(snapshot, why) };
  }
  switch (answer.state) {
    case 'resolved': {
      const { image, target } = answer;
      const pinned = image === undefined ? {} : { image, resolvedVersion: image.version };
      return decideNodes(snapshot, { ...base, ...pinned }, target);
    }
    case 'refused':
      return rejectAll(snapshot, settled, answer);
    case 'unreadable':
      return { ...NO_WRITES, status: pendingStatus(settled, answer) };
    default: {
      const why = { reason: 'CatalogReading', message: 'the catalog is being read' };
      return { ...NO_WRITES, status: pendingStatus(settled, why) };
    }
  }
}
