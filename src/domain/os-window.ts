import type { TimeWindow } from '../api/monok8s/index.ts';
import type { OSSpec } from '../api/openeuler/index.ts';
import { StalledError } from './errors.ts';

const FORM = /^(\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]) )?([01]\d|2[0-3])(:[0-5]\d){2}$/;

/**
 * The window of an `OS`; `undefined` if it has none. Both ends empty is none, as in upstream KubeOS.
 * @throws StalledError `TimeWindowInvalid`
 */
export function windowOfOS({ timewindow }: Pick<OSSpec, 'timewindow'>): TimeWindow | undefined {
  const { starttime = '', endtime = '' } = timewindow ?? {};
  if (starttime === '' && endtime === '') return undefined;
  for (const [field, text] of Object.entries({ starttime, endtime })) {
    if (!FORM.test(text)) {
      throw invalid(`${field} is "${text}": give both ends as HH:MM:SS or as YYYY-MM-DD HH:MM:SS`);
    }
  }
  if (starttime.length !== endtime.length)
    throw invalid('starttime and endtime must have the same form: both with a date, or both without');
  if (starttime === endtime) throw invalid('starttime and endtime must differ');
  for (const text of [starttime, endtime]) assertDay(text);
  if (starttime.includes(' ') && endtime < starttime)
    throw invalid(`endtime (${endtime}) must come after starttime (${starttime})`);
  return { startTime: starttime, endTime: endtime };
}

/** February has no 30th, whatever the form says. */
function assertDay(text: string): void {
  const [day = '', time] = text.split(' ');
  if (time === undefined) return;
  const date = new Date(`${day}T00:00:00Z`);
  if (!Number.isNaN(date.getTime()) && date.toISOString().startsWith(day)) return;
  throw invalid(`there is no day ${day}`);
}

const invalid = (what: string): StalledError =>
  new StalledError('TimeWindowInvalid', `spec.timewindow: ${what}`);
