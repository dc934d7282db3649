import type { OSUpgrade } from '../../api/monok8s/index.ts';
import { StalledError } from '../../domain/errors.ts';
import { holdOf, isMistake } from '../../domain/hold.ts';
import { requestOfOSUpgrade } from '../../domain/request-osupgrade.ts';
import type { Hold } from './snapshot.ts';

/** A request is asked again for its `paused` and window no more often than this. */
export const RECHECK_MS = 30_000;

/**
 * What an object made by hand waits for while its request lets nothing begin, by the controller's own rule. Times without
 * a zone are in `zone`.
 * @throws StalledError `TimeZoneInvalid`, `TimeWindowInvalid`
 */
export function waitOf(upgrade: OSUpgrade, nowMs: number, zone: string): Hold | undefined {
  const request = requestOfOSUpgrade(upgrade);
  const { refusal, changesAtMs = Number.POSITIVE_INFINITY } = holdOf(request, nowMs, zone);
  if (refusal === undefined) return undefined;
  if (isMistake(refusal)) throw new StalledError(refusal.reason, refusal.message);
  const message = `${request.title}: ${refusal.message}`;
  return { message, retryInMs: Math.min(RECHECK_MS, changesAtMs - nowMs) };
}
