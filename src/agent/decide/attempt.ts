import type { OSUpgradeProgress, OSUpgradeProgressStatus, Phase } from '../../api/monok8s/index.ts';
import { isSameVersion } from '../../domain/version.ts';
import type { OsRelease } from '../ports.ts';
import { versionOf } from './snapshot.ts';

/** An object and the attempt at it that is running, or is to be started. */
export interface Candidate {
  readonly object: OSUpgradeProgress;
  readonly attempt: number;
  readonly isNew: boolean;
}

const TERMINAL: readonly (Phase | undefined)[] = ['Completed', 'Failed', 'RolledBack'];

/** No further step follows from here, save by a retry. */
export const isTerminal = (phase: Phase | undefined): boolean => TERMINAL.includes(phase);

/** A retry that was asked for and has not been acted on. A nonce that was taken away asks for nothing. */
export const hasNewNonce = ({ spec, status }: OSUpgradeProgress): boolean =>
  Boolean(spec.retryNonce) && spec.retryNonce !== (status?.observedRetryNonce ?? '');

/** The node no longer runs what a completed object brought it. */
export function hasDrifted(object: OSUpgradeProgress, running: OsRelease | undefined): boolean {
  const target = object.status?.targetVersion;
  if (target === undefined || running === undefined) return false;
  return !isSameVersion(versionOf(running, object.spec.plan?.versionField ?? 'VERSION_ID'), target);
}

/** The attempt that an object needs now, if any. */
export function attemptOf(object: OSUpgradeProgress, running: OsRelease | undefined): Candidate | undefined {
  const done = object.status?.attempt ?? 0;
  if (!isTerminal(object.status?.phase)) {
    return { object, attempt: Math.max(done, 1), isNew: done === 0 };
  }
  const mayRetry = object.status?.phase !== 'Completed' || hasDrifted(object, running);
  return hasNewNonce(object) && mayRetry ? { object, attempt: done + 1, isNew: true } : undefined;
}

/** Picks the one object to work on: what has begun goes first, then the oldest. `objects` are oldest first. */
export function chooseTask(
  objects: readonly OSUpgradeProgress[],
  running: OsRelease | undefined,
): Candidate | undefined {
  const candidates = objects.map(object => attemptOf(object, running)).filter(c => c !== undefined);
  return candidates.find(c => !c.isNew) ?? candidates[0];
}

/** Objects of one node in the order in which they are worked on. */
export const oldestFirst = (objects: readonly OSUpgradeProgress[]): OSUpgradeProgress[] =>
  objects.toSorted(
    (l, r) =>
      (l.metadata.creationTimestamp ?? '').localeCompare(r.metadata.creationTimestamp ?? '') ||
      l.metadata.name.localeCompare(r.metadata.name),
  );

/** A completed object whose retry has nothing to do: the node runs the version. */
export const needlessRetry = (
  objects: readonly OSUpgradeProgress[],
  running: OsRelease | undefined,
): OSUpgradeProgress | undefined =>
  running && objects.find(o => o.status?.phase === 'Completed' && hasNewNonce(o) && !hasDrifted(o, running));

/** The phase that an attempt has reached; `Pending` for one that was not reported yet. */
export const phaseOf = (candidate: Candidate): Phase =>
  candidate.isNew ? 'Pending' : (candidate.object.status?.phase ?? 'Pending');

/** The status of an attempt, or nothing if what is there tells of an earlier one. */
export const statusOf = (candidate: Candidate): OSUpgradeProgressStatus | undefined =>
  candidate.isNew ? undefined : candidate.object.status;
