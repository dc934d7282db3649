import { toTimestamp } from './clock.ts';
import { messageOf, reasonOf, StalledError } from './errors.ts';
import type { Request } from './request.ts';
import { isWindowOpen } from './time-window.ts';
import type { Refusal } from './version-change.ts';

/** Why nothing new begins now, and when that changes by itself. */
export interface Hold {
  readonly refusal?: Refusal;
  readonly changesAtMs?: number;
}

type HeldRequest = Pick<Request, 'isPaused' | 'mistake' | 'timeWindow' | 'fields'>;

/** Whether a request lets new plans and new drains begin: it is not paused, and its window is open. */
export function holdOf(
  { isPaused, mistake, timeWindow, fields }: HeldRequest,
  nowMs: number,
  defaultZone: string,
): Hold {
  if (mistake !== undefined) return { refusal: mistake };
  if (isPaused) {
    return {
      refusal: { reason: 'Paused', message: 'the request is paused: set spec.paused to false to go on' },
    };
  }
  try {
    const { open, changesAtMs } = isWindowOpen(timeWindow, nowMs, defaultZone);
    const change = changesAtMs === undefined ? {} : { changesAtMs };
    if (open) return change;
    const message =
      changesAtMs === undefined
        ? `the time window is over: change ${fields.timeWindow} to go on`
        : `the time window opens at ${toTimestamp(changesAtMs)}${wallTimes(timeWindow, defaultZone)}`;
    return { refusal: { reason: 'WindowClosed', message }, ...change };
  } catch (error) {
    if (!(error instanceof StalledError)) throw error;
    return { refusal: { reason: reasonOf(error), message: messageOf(error) } };
  }
}

/** The window in the words of its zone, as that is how it was written. */
const wallTimes = (window: Request['timeWindow'], defaultZone: string): string =>
  window === undefined
    ? ''
    : ` (${window.startTime} to ${window.endTime} in the time zone ${window.timeZone ?? defaultZone})`;

/** A person has to correct the request: nothing that comes by itself ends the hold. */
export const isMistake = ({ reason }: Refusal): boolean => reason !== 'Paused' && reason !== 'WindowClosed';
