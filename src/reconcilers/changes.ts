import { isDeepStrictEqual } from 'node:util';
import type { ObjectMeta } from '../api/meta.ts';
import type { OSUpgradeProgress } from '../api/monok8s/index.ts';
import type { AnyStatus } from '../domain/request.ts';
import type { InformerChange } from '../kube/types.ts';

const LONG_SILENCE_MS = 60_000;

/** Bytes that were downloaded change nothing that is decided here, save that the agent is heard again. */
export function mattersToRollout({ before, after }: InformerChange<OSUpgradeProgress>): boolean {
  if (before === undefined || after === undefined) return true;
  const [was, is] = [before.status ?? {}, after.status ?? {}];
  return (
    before.metadata.generation !== after.metadata.generation ||
    was.phase !== is.phase ||
    was.attempt !== is.attempt ||
    was.observedRetryNonce !== is.observedRetryNonce ||
    was.failureReason !== is.failureReason ||
    Date.parse(is.lastUpdatedAt ?? '') - Date.parse(was.lastUpdatedAt ?? '') > LONG_SILENCE_MS
  );
}

/** The part of an `OSUpgrade` or an `OS` that is compared. */
export interface RequestObject {
  readonly metadata: ObjectMeta;
  readonly status?: AnyStatus;
}

/**
 * Whether a change of a request is one for its nodes and for other requests. Counts and conditions are written each time
 * that a node gets on: if all nodes were looked at each time, a rollout would cost their number squared.
 */
export const mattersToOthers = ({ before, after }: InformerChange<RequestObject>): boolean =>
  before === undefined || after === undefined || !isDeepStrictEqual(steering(before), steering(after));

function steering({ metadata, status }: RequestObject): readonly unknown[] {
  const { phase, rollout, rolloutKey, rolloutStartedAt, image, supersededBy } = status ?? {};
  const why = phase === 'Rejected' ? [status?.reason, status?.message] : [];
  const { uid, generation, deletionTimestamp } = metadata;
  const claim = [phase, rollout, rolloutKey, rolloutStartedAt, image, supersededBy];
  return [uid, generation, deletionTimestamp, ...claim, ...why];
}
