import { StalledError } from './errors.ts';

/** A date and time as a clock on the wall shows it. Months count from 1. */
export interface WallTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/**
 * Checks the name of an IANA time zone.
 * @throws StalledError `TimeZoneInvalid`
 */
export function parseZone(zone: string): string {
  try {
    formatOf(zone);
    return zone;
  } catch (cause) {
    throw new StalledError(
      'TimeZoneInvalid',
      `spec.timeWindow.timeZone "${zone}" is no time zone: use a name such as Europe/Berlin or UTC`,
      { cause },
    );
  }
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formats.set(zone, format);
  return format;
}

/** What the clocks of a zone show at an instant. */
export function localDate(ms: number, zone: string): WallTime {
  const parts = formatOf(zone).formatToParts(ms);
  const of = (type: Intl.DateTimeFormatPartTypes): number =>
    Number(parts.find(part => part.type === type)?.value);
  return {
    year: of('year'),
    month: of('month'),
    day: of('day'),
    hour: of('hour'),
    minute: of('minute'),
    second: of('second'),
  };
}

const asUtcMs = (t: WallTime): number => Date.UTC(t.year, t.month - 1, t.day, t.hour, t.minute, t.second);

/**
 * The instant at which the clocks of a zone show `wall`. Of two (clocks are set back) the earlier one; of none
 * (clocks are set forward) the moment at which they jump.
 */
export function toInstantMs(wall: WallTime, zone: string): number {
  const utcMs = asUtcMs(wall);
  const offsetAt = (ms: number): number => asUtcMs(localDate(ms, zone)) - ms;
  // A day before and a day after lie on either side of any change of the clocks.
  const candidates = [offsetAt(utcMs - DAY_MS), offsetAt(utcMs + DAY_MS)].map(offset => utcMs - offset);
  const exact = candidates.filter(ms => asUtcMs(localDate(ms, zone)) === utcMs);
  if (exact.length > 0) return Math.min(...exact);
  return findJumpMs(Math.min(...candidates), Math.max(...candidates), offsetAt);
}

const DAY_MS = 86_400_000;

/** The whole second, between two instants, at which the offset changes. */
function findJumpMs(fromMs: number, toMs: number, offsetAt: (ms: number) => number): number {
  let [low, high] = [Math.floor(fromMs / 1000), Math.ceil(toMs / 1000)];
  const before = offsetAt(low * 1000);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle * 1000) === before) low = middle;
    else high = middle;
  }
  return high * 1000;
}
