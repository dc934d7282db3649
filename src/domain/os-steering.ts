import type { OSSpec } from '../api/openeuler/index.ts';
import { messageOf, reasonOf, StalledError } from './errors.ts';
import { windowOfOS } from './os-window.ts';
import type { Request } from './request.ts';

/** A year: no batch has ever waited longer for the one before. */
const MAX_INTERVAL_SECONDS = 31_536_000;

/** The fields of an `OS` that steer its rollout and may change while it runs. */
export function steeringOf(spec: OSSpec): Pick<Request, 'timeWindow' | 'pace' | 'mistake'> {
  const isSerial = spec.executionmode === 'serial';
  try {
    const pace = { isSerial, intervalMs: secondsOf(spec) * 1000 };
    return { timeWindow: windowOfOS(spec), pace, mistake: undefined };
  } catch (error) {
    if (!(error instanceof StalledError)) throw error;
    const mistake = { reason: reasonOf(error), message: messageOf(error) };
    return { timeWindow: undefined, pace: { isSerial, intervalMs: 0 }, mistake };
  }
}

function secondsOf({ timeinterval }: OSSpec): number {
  if (timeinterval >= 0 && timeinterval <= MAX_INTERVAL_SECONDS) return timeinterval;
  throw new StalledError(
    'TimeIntervalInvalid',
    `spec.timeinterval is ${timeinterval}: give the seconds between two batches, 0 to ${MAX_INTERVAL_SECONDS}`,
  );
}
