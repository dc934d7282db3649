import { isDeepStrictEqual } from 'node:util';
import type { Condition } from '../../api/meta.ts';
import type { OSUpgradeProgressStatus, Phase, SlotName } from '../../api/monok8s/index.ts';
import { toTimestamp } from '../../domain/clock.ts';
import { isTerminalPhase } from '../../domain/progress.ts';

/** What the agent has to say about one attempt. What is left out stays as it is. */
export interface StatusNote {
  readonly attempt: number;
  readonly phase: Phase;
  readonly message?: string;
  readonly failureReason?: string;
  readonly progress?: { readonly bytesDone: number; readonly bytesTotal: number };
  readonly retryCount?: number;
  readonly bootId?: string;
  readonly currentVersion?: string;
  readonly targetVersion?: string;
  readonly inactivePartition?: SlotName;
  readonly observedRetryNonce?: string;
  readonly condition?: Omit<Condition, 'lastTransitionTime'>;
}

type Status = OSUpgradeProgressStatus;
type History = NonNullable<Status['history']>;

const HISTORY_LIMIT = 64;
/** Progress alone is written no more often than this. */
export const PROGRESS_INTERVAL_MS = 5_000;

/**
 * The status that follows from a note, or `undefined` if it says nothing new. A note about an attempt that has ended,
 * or about an earlier one, changes nothing: an old view of the world must not undo what was reported.
 */
export function nextStatus(
  before: Status | undefined,
  note: StatusNote,
  nowMs: number,
): (Required<Pick<Status, 'phase' | 'lastUpdatedAt'>> & Status) | undefined {
  const attempt = before?.attempt ?? 0;
  if (note.attempt < attempt || (note.attempt === attempt && isTerminalPhase(before?.phase)))
    return undefined;
  const now = toTimestamp(nowMs);
  const base = note.attempt > attempt ? newAttempt(before) : before;
  const { condition, ...said } = note;
  const next: Status = {
    currentVersion: '',
    targetVersion: '',
    retryCount: 0,
    failureReason: '',
    ...base,
    ...withoutUndefined(said),
    message: note.message ?? '',
    startedAt: base?.startedAt ?? (note.phase === 'Pending' ? null : now),
    completedAt: isTerminalPhase(note.phase) ? now : null,
    history: nextHistory(base?.history ?? [], note, now),
    ...(condition && { conditions: nextConditions(base?.conditions ?? [], condition, now) }),
  };
  if (base?.phase !== note.phase && note.progress === undefined) delete next.progress;
  if (isDeepStrictEqual(next, base)) return undefined;
  return { ...next, phase: note.phase, lastUpdatedAt: now };
}

function newAttempt(before: Status | undefined): Status {
  return {
    ...(before?.history && { history: before.history }),
    ...(before?.conditions && { conditions: before.conditions }),
    ...(before?.observedRetryNonce !== undefined && { observedRetryNonce: before.observedRetryNonce }),
    lastUpdatedAt: null,
  };
}

function nextHistory(before: History, note: StatusNote, now: string): History {
  const last = before.at(-1);
  const isRunning = last !== undefined && last.endedAt === null;
  if (isRunning && last.phase === note.phase) return before;
  const closed = isRunning ? [...before.slice(0, -1), { ...last, endedAt: now }] : before;
  // Every attempt begins at Pending, however short.
  const began: History =
    isRunning || note.phase === 'Pending' ? [] : [{ phase: 'Pending', startedAt: now, endedAt: now }];
  // Read back and checked so quickly that nobody saw it.
  const installed: History =
    isRunning && last.phase === 'Downloading' && note.phase === 'Staged'
      ? [{ phase: 'Installing', startedAt: now, endedAt: now }]
      : [];
  const entered = { phase: note.phase, startedAt: now, endedAt: isTerminalPhase(note.phase) ? now : null };
  return [...closed, ...began, ...installed, entered].slice(-HISTORY_LIMIT);
}

/** The conditions with one of them set; its time changes only with its status. */
export function nextConditions(
  before: readonly Condition[],
  { type, status, reason, message }: Omit<Condition, 'lastTransitionTime'>,
  now: string,
): Condition[] {
  const old = before.find(c => c.type === type);
  const lastTransitionTime = old?.status === status ? (old.lastTransitionTime ?? now) : now;
  return [...before.filter(c => c.type !== type), { type, status, reason, message, lastTransitionTime }];
}

/** Milliseconds for which a change has to wait, because only how far it is has changed and that was told just now. */
export function holdBackMs(before: Status | undefined, after: Status, sinceLastWriteMs: number): number {
  const essence = ({ progress, message, retryCount, lastUpdatedAt, ...rest }: Status) => rest;
  const isProgressOnly = before !== undefined && isDeepStrictEqual(essence(before), essence(after));
  const isWork = after.phase === 'Downloading' || after.phase === 'Installing';
  return isProgressOnly && isWork ? Math.max(0, PROGRESS_INTERVAL_MS - sinceLastWriteMs) : 0;
}

const withoutUndefined = <T extends object>(value: T): Partial<T> => {
  const copy: Partial<T> = { ...value };
  for (const key in copy) if (copy[key] === undefined) delete copy[key];
  return copy;
};
