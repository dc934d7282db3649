import type { OSUpgradeProgress, OSUpgradeProgressStatus, Phase } from '../../api/monok8s/index.ts';
import { currentAttempt, isRetryAsked, isTerminal } from '../../domain/progress.ts';
import type { OsRelease } from '../ports.ts';
import type { Snapshot } from './snapshot.ts';
import { isVersion, ruleOfObject } from './version-rule.ts';

/** An object and the attempt at it that is running, or is to be started. */
export interface Candidate {
  readonly object: OSUpgradeProgress;
  readonly attempt: number;
  readonly isNew: boolean;
}

/** What the node runs, if that is known, and where the agent's settings look for its version. */
export interface Running extends Pick<Snapshot, 'settings'> {
  readonly osRelease: OsRelease | undefined;
}

/** The node no longer runs what a completed object brought it. */
export function hasDrifted(object: OSUpgradeProgress, running: Running): boolean {
  const target = object.status?.targetVersion;
  if (target === undefined || running.osRelease === undefined) return false;
  return !isVersion(running.osRelease, target, ruleOfObject(running, object));
}

/** The attempt that an object needs now, if any. */
export function attemptOf(object: OSUpgradeProgress, running: Running): Candidate | undefined {
  const attempt = currentAttempt(object);
  if (!isTerminal(object)) return { object, attempt, isNew: (object.status?.attempt ?? 0) === 0 };
  const mayRetry = object.status?.phase !== 'Completed' || hasDrifted(object, running);
  return isRetryAsked(object) && mayRetry ? { object, attempt, isNew: true } : undefined;
}

/** Picks the one object to work on: what has begun goes first, then the oldest. `objects` are oldest first. */
export function chooseTask(objects: readonly OSUpgradeProgress[], running: Running): Candidate | undefined {
  const candidates = objects.map(object => attemptOf(object, running)).filter(c => c !== undefined);
  return candidates.find(c => !c.isNew) ?? candidates[0];
}

/** A completed object whose retry has nothing to do: the node runs the version. */
export const needlessRetry = (
  objects: readonly OSUpgradeProgress[],
  running: Running,
): OSUpgradeProgress | undefined =>
  running.osRelease &&
  objects.find(o => o.status?.phase === 'Completed' && isRetryAsked(o) && !hasDrifted(o, running));

/** The phase that an attempt has reached; `Pending` for one that was not reported yet. */
export const phaseOf = (candidate: Candidate): Phase =>
  candidate.isNew ? 'Pending' : (candidate.object.status?.phase ?? 'Pending');

/** The status of an attempt, or nothing if what is there tells of an earlier one. */
export const statusOf = (candidate: Candidate): OSUpgradeProgressStatus | undefined =>
  candidate.isNew ? undefined : candidate.object.status;
