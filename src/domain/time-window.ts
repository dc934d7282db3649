import type { TimeWindow } from '../api/monok8s/index.ts';
import { StalledError } from './errors.ts';
import { localDate, parseZone, toInstantMs, type WallTime } from './zoned-time.ts';

/** Whether a window is open, and when that changes next (milliseconds since the epoch; absent: never). */
export interface WindowState {
  readonly open: boolean;
  readonly changesAtMs?: number;
}

interface Interval {
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * Tells whether `nowMs` lies in the window. No window is always open. The end does not belong to the window.
 * @throws StalledError `TimeZoneInvalid`, `TimeWindowInvalid`
 */
export function isWindowOpen(
  window: TimeWindow | undefined,
  nowMs: number,
  defaultZone: string,
): WindowState {
  if (window === undefined) return { open: true };
  const zone = parseZone(window.timeZone ?? defaultZone);
  const intervals =
    window.startTime.length > 8 ? [onceInterval(window, zone)] : dailyIntervals(window, nowMs, zone);
  const open = intervals.some(({ startMs, endMs }) => startMs <= nowMs && nowMs < endMs);
  const changes = intervals
    .flatMap(({ startMs, endMs }) => (open ? [endMs] : [startMs]))
    .filter(atMs => atMs > nowMs);
  return changes.length === 0 ? { open } : { open, changesAtMs: Math.min(...changes) };
}

function onceInterval(window: TimeWindow, zone: string): Interval {
  // As text: clocks that are set forward may skip both ends, which is nobody's mistake.
  if (window.startTime < window.endTime)
    return {
      startMs: toInstantMs(parseOnce(window.startTime), zone),
      endMs: toInstantMs(parseOnce(window.endTime), zone),
    };
  throw new StalledError(
    'TimeWindowInvalid',
    `spec.timeWindow.endTime (${window.endTime}) must come after startTime (${window.startTime})`,
  );
}

/** Yesterday's, today's and tomorrow's window, as the zone counts days. */
function dailyIntervals(window: TimeWindow, nowMs: number, zone: string): Interval[] {
  const today = localDate(nowMs, zone);
  const crossesMidnight = window.endTime <= window.startTime;
  return [-1, 0, 1].map(offset => ({
    startMs: toInstantMs({ ...addDays(today, offset), ...parseClock(window.startTime) }, zone),
    endMs: toInstantMs(
      { ...addDays(today, offset + (crossesMidnight ? 1 : 0)), ...parseClock(window.endTime) },
      zone,
    ),
  }));
}

type CalendarDay = Pick<WallTime, 'year' | 'month' | 'day'>;

function addDays({ year, month, day }: CalendarDay, days: number): CalendarDay {
  const date = new Date(Date.UTC(year, month - 1, day + days));
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}

const numbersOf = (text: string): number[] => text.split(/[-: ]/).map(Number);

function parseClock(text: string): Pick<WallTime, 'hour' | 'minute' | 'second'> {
  const [hour = 0, minute = 0, second = 0] = numbersOf(text);
  return { hour, minute, second };
}

function parseOnce(text: string): WallTime {
  const [year = 0, month = 0, day = 0] = numbersOf(text);
  const { month: realMonth, day: realDay } = addDays({ year, month, day }, 0);
  if (realMonth === month && realDay === day) return { year, month, day, ...parseClock(text.slice(11)) };
  throw new StalledError('TimeWindowInvalid', `spec.timeWindow: there is no day ${text.slice(0, 10)}`);
}
