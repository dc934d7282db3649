import { SERIAL_LABEL } from '../api/openeuler/index.ts';
import { toTimestamp } from './clock.ts';
import type { NodeState } from './node-state.ts';
import type { Pace } from './request.ts';
import { mayBegin, type NodeVerdict } from './verdict.ts';
import type { Refusal } from './version-change.ts';

/** What the pace of a rollout depends on beside its nodes. */
export interface PaceInput extends Pace {
  /** Nothing new begins, for another reason. */
  readonly isHeld: boolean;
  /** How many nodes a serial batch has. */
  readonly batchSize: number;
  readonly nowMs: number;
}

/** How fast a rollout may go on at one moment. */
export interface PaceNow {
  /** Why a node must not begin now; `undefined` if it may. */
  refusalOf(node: NodeState): Refusal | undefined;
  /** Counts a node as begun. */
  take(): void;
  /** The nodes of the batch that a serial rollout works through, those at work included. */
  readonly batch: readonly NodeState[];
  /** When the next batch may begin, if that alone is waited for. */
  readonly nextBatchAtMs?: number;
}

/**
 * The pace at one moment. A batch of a parallel rollout is what begins together; one of a serial rollout is worked
 * through node by node. The interval lies between the starts of batches, or after the end of a serial one.
 * @param verdicts in the order in which nodes take their turns
 */
export function paceOf(verdicts: readonly NodeVerdict[], input: PaceInput): PaceNow {
  return input.isSerial ? serialPace(verdicts, input) : parallelPace(verdicts, input);
}

function parallelPace(verdicts: readonly NodeVerdict[], input: PaceInput): PaceNow {
  const waiting = waitForInterval(
    latest(verdicts, ({ metadata }) => metadata.creationTimestamp),
    input,
  );
  return { refusalOf: () => waiting?.refusal, take: () => undefined, batch: [], ...nextOf(waiting) };
}

function serialPace(verdicts: readonly NodeVerdict[], input: PaceInput): PaceNow {
  const begun = verdicts.filter(
    entry => entry.state === 'running' || (mayBegin(entry) && SERIAL_LABEL in entry.node.labels),
  );
  const isNew = begun.length === 0;
  const batch = isNew && !input.isHeld ? verdicts.filter(mayBegin).slice(0, input.batchSize) : begun;
  const names = new Set(batch.map(({ node }) => node.name));
  const waiting = isNew
    ? waitForInterval(
        latest(verdicts, ({ status }) => status?.completedAt ?? undefined),
        input,
      )
    : undefined;
  let busy = verdicts.find(isAtWork)?.node.name;
  return {
    refusalOf: ({ name }) => {
      if (waiting !== undefined) return waiting.refusal;
      if (busy !== undefined) return { reason: 'SerialOneByOne', message: `serial: ${busy} goes first` };
      if (names.has(name)) return undefined;
      return { reason: 'SerialOneByOne', message: `serial: the batch before it comes first` };
    },
    take: () => {
      busy ??= 'another node';
    },
    batch: waiting === undefined ? batch.map(({ node }) => node) : [],
    ...nextOf(waiting),
  };
}

/** Also where what is worked on there is of another rollout or request: only one node at a time is taken away. */
const isAtWork = ({ state, reason }: NodeVerdict): boolean =>
  state === 'running' || reason === 'OtherPlanRunning';

interface IntervalWait {
  readonly refusal: Refusal;
  readonly untilMs: number;
}

function waitForInterval(
  sinceMs: number | undefined,
  { intervalMs, nowMs }: PaceInput,
): IntervalWait | undefined {
  // A clock that is far ahead of ours must not stop the rollout; one that is a little ahead makes the wait longer.
  if (sinceMs === undefined || Math.abs(nowMs - sinceMs) >= intervalMs) return undefined;
  const untilMs = sinceMs + intervalMs;
  const message = `the next batch begins at ${toTimestamp(untilMs)}, ${intervalMs / 1000} s after the one before (spec.timeinterval)`;
  return { refusal: { reason: 'IntervalNotOver', message }, untilMs };
}

const nextOf = (waiting: IntervalWait | undefined): Pick<PaceNow, 'nextBatchAtMs'> =>
  waiting === undefined ? {} : { nextBatchAtMs: waiting.untilMs };

type Progress = NonNullable<NodeVerdict['progress']>;

/** The latest of a time of this rollout's objects. */
function latest(
  verdicts: readonly NodeVerdict[],
  timeOf: (progress: Progress) => string | undefined,
): number | undefined {
  const times = verdicts.flatMap(({ last }) => {
    const ms = Date.parse((last && timeOf(last)) ?? '');
    return Number.isNaN(ms) ? [] : [ms];
  });
  return times.length === 0 ? undefined : Math.max(...times);
}
