import type { OSUpgrade } from '../../api/monok8s/index.ts';
import { isWindowOpen } from '../../domain/time-window.ts';
import type { Hold } from './snapshot.ts';

/** A request is asked again for its `paused` and window no more often than this. */
export const RECHECK_MS = 30_000;

/**
 * Why a request lets nothing begin now: it is paused, or its window is closed. Times without a zone are in `zone`.
 * @throws StalledError `TimeZoneInvalid`, `TimeWindowInvalid`
 */
export function holdOf({ metadata, spec }: OSUpgrade, nowMs: number, zone: string): Hold | undefined {
  if (spec.paused)
    return { message: `OSUpgrade ${metadata.name} is paused (spec.paused)`, retryInMs: RECHECK_MS };
  const { open, changesAtMs } = isWindowOpen(spec.timeWindow, nowMs, zone);
  if (open) return undefined;
  const when =
    changesAtMs === undefined ? 'for ever: its time is over' : `until ${new Date(changesAtMs).toISOString()}`;
  return {
    message: `the window of OSUpgrade ${metadata.name} (spec.timeWindow) is closed ${when}`,
    retryInMs: Math.min(RECHECK_MS, (changesAtMs ?? Number.POSITIVE_INFINITY) - nowMs),
  };
}
