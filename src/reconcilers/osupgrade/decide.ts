import type { OSUpgrade, OSUpgradeStatus } from '../../api/monok8s/index.ts';
import { rolloutKeyOf } from '../../domain/rollout-key.ts';
import { decideNodes, refuseAll } from './decide-nodes.ts';
import { NO_WRITES, type RequestDecision, type RequestSnapshot } from './decision.ts';
import { pendingStatus, rejectedStatus } from './status.ts';

/** Another rollout begins when a field changes that changes plans. */
export function beginRollout({ spec, status }: OSUpgrade, nowMs: number): OSUpgradeStatus {
  const rolloutKey = rolloutKeyOf(spec);
  if (status?.rolloutKey === rolloutKey) return status;
  return {
    rollout: (status?.rollout ?? 0) + 1,
    rolloutKey,
    // Finer than the seconds of other times: the order of two requests hangs on it.
    rolloutStartedAt: new Date(nowMs).toISOString(),
    ...(status?.conditions === undefined ? {} : { conditions: status.conditions }),
  };
}

const isRejected = ({ metadata, spec, status }: OSUpgrade): boolean =>
  status?.phase === 'Rejected' &&
  status.rolloutKey === rolloutKeyOf(spec) &&
  status.observedGeneration === metadata.generation;

/** A catalog elsewhere was refused: it is corrected there, and applying the same request again changes nothing. */
const isRefusedElsewhere = ({ spec, status }: OSUpgrade): boolean =>
  status?.image === undefined && spec.catalog.inline === undefined;

/** A rejected request stays so until a person changes what is wrong: else it would begin by itself some day. */
export const isSettledRejection = (request: OSUpgrade): boolean =>
  isRejected(request) && request.status?.reason !== 'VersionUnknown' && !isRefusedElsewhere(request);

/** Decides what becomes of a request. */
export function decideRequest(snapshot: RequestSnapshot): RequestDecision {
  const { request, nowMs, catalog } = snapshot;
  const base = beginRollout(request, nowMs);
  const settled = { request, base, nowMs };
  const isAwaited = isRejected(request) && isRefusedElsewhere(request) && catalog.state === 'reading';
  if (isSettledRejection(request) || isAwaited) {
    const why = { reason: base.reason ?? '', message: base.message ?? '' };
    return { ...NO_WRITES, status: base, refused: refuseAll(snapshot, why) };
  }
  const image = base.image ?? (catalog.state === 'resolved' ? catalog.image : undefined);
  if (image !== undefined) return decideNodes(snapshot, { ...base, image });
  switch (catalog.state) {
    case 'refused':
      return {
        ...NO_WRITES,
        status: rejectedStatus(settled, catalog),
        refused: refuseAll(snapshot, catalog),
      };
    case 'unreadable':
      return { ...NO_WRITES, status: pendingStatus(settled, catalog) };
    default: {
      const why = { reason: 'CatalogReading', message: 'the catalog is being read' };
      return { ...NO_WRITES, status: pendingStatus(settled, why) };
    }
  }
}
