import type { OSUpgradeProgress } from '../../api/monok8s/index.ts';
import { API_VERSION } from '../../api/monok8s/index.ts';
import { messageOf } from '../../domain/errors.ts';
import { byAge, isTerminal } from '../../domain/progress.ts';
import type { CallOptions } from '../../kube/types.ts';
import type { Outcome, TrialRecord } from '../decide/records.ts';
import { otherSlot, type Snapshot, type Task } from '../decide/snapshot.ts';
import type { StatusNote } from '../decide/status.ts';
import {
  ruleOfObject,
  ruleOfPlan,
  ruleOfTrial,
  shownVersion,
  type VersionRule,
} from '../decide/version-rule.ts';
import { withWayOut } from '../decide/way-out.ts';
import type { AgentDeps } from '../deps.ts';

/** The facts of every note: versions and slots as they are now. */
export function factsOf(
  seen: Snapshot,
  target: string,
  rule: VersionRule,
): Pick<StatusNote, 'currentVersion' | 'targetVersion' | 'inactivePartition'> {
  if (!seen.slots.ok) return { targetVersion: target };
  const { layout } = seen.slots;
  return {
    currentVersion: shownVersion(layout[layout.booted].osRelease, target, rule),
    targetVersion: target,
    inactivePartition: otherSlot(layout.booted),
  };
}

/** Writes a note about a task. Resolves to the milliseconds for which it was held back, if it was. */
export async function tell(
  deps: AgentDeps,
  task: Task,
  note: Omit<StatusNote, 'attempt'>,
  seen: Snapshot,
): Promise<number | undefined> {
  const { isWritten, heldBackMs } = await deps.status.write(task.object, { ...noteOf(task, seen), ...note });
  const { phase, message, progress } = note;
  if (isWritten)
    deps.log.info('plan goes on', { name: task.object.metadata.name, phase, detail: message, ...progress });
  return heldBackMs;
}

function noteOf({ object, attempt, isNew, resolution }: Task, seen: Snapshot): Omit<StatusNote, 'phase'> {
  const nonce = isNew && object.spec.retryNonce ? { observedRetryNonce: object.spec.retryNonce } : {};
  const facts =
    resolution.type === 'plan'
      ? factsOf(seen, resolution.plan.targetVersion, ruleOfPlan(seen, resolution.plan))
      : factsOf(seen, object.status?.targetVersion ?? '', ruleOfObject(seen, object));
  return { attempt, ...nonce, ...facts };
}

/** Ends an attempt that tried no reboot: nothing runs any more, nothing is armed, and the status says why. */
export async function finish(deps: AgentDeps, task: Task, outcome: Outcome, seen: Snapshot): Promise<number> {
  if (deps.job.view().type === 'running') await deps.job.abort();
  if (seen.slots.ok && seen.slots.boot.trialSlot && seen.slots.boot.defaultSlot === seen.slots.layout.booted)
    await deps.bootLoader.settle(seen.slots.layout.booted);
  const { object, attempt } = task;
  await writeEnd(deps, object, { ...noteOf(task, seen), ...endNote(outcome, object, attempt) });
  // Not earlier: until it is reported, a failure must not be forgotten.
  await deps.job.abort();
  return 0;
}

/** Writes how the attempt of a trial ended. An object that is gone needs no report. */
export async function reportOutcome(
  deps: AgentDeps,
  trial: TrialRecord,
  outcome: Outcome,
  object: OSUpgradeProgress,
  seen: Snapshot,
): Promise<void> {
  const { attempt, targetVersion } = trial;
  const facts = factsOf(seen, targetVersion, ruleOfTrial(trial));
  await writeEnd(deps, object, { attempt, ...facts, ...endNote(outcome, object, attempt) });
}

/** Tells where a trial is, as well as one can: it must go on without an API server too. */
export async function tellTrial(
  deps: AgentDeps,
  trial: TrialRecord,
  message: string,
  seen: Snapshot,
): Promise<void> {
  const object = seen.objects.find(o => o.metadata.uid === trial.progress.uid);
  if (!object) return;
  const facts = factsOf(seen, trial.targetVersion, ruleOfTrial(trial));
  const note: StatusNote = { attempt: trial.attempt, phase: 'Confirming', message, ...facts };
  await deps.status.write(object, note, QUICK).catch((error: unknown) => {
    deps.log.warn('trial not reported, going on without', {
      name: object.metadata.name,
      error: String(error),
    });
  });
}

/**
 * Tells the attempt that is running what keeps it from going on, as well as one can: whoever looks at it must not see a
 * phase that stands still without a word.
 */
export async function tellTrouble(deps: AgentDeps, message: string): Promise<void> {
  const { caches, status, nodeName, log } = deps;
  const object = caches.progresses
    .list()
    .filter(o => o.spec.nodeName === nodeName)
    .toSorted(byAge)
    .map(status.newest)
    .find(o => !isTerminal(o));
  if (!object) return;
  // An attempt that has not been begun is none yet.
  const { phase = 'Pending', attempt = 0 } = object.status ?? {};
  await status.write(object, { attempt, phase, message }, QUICK).catch((error: unknown) => {
    log.debug('trouble not reported', { name: object.metadata.name, error: messageOf(error) });
  });
}

const QUICK: CallOptions = { timeoutMs: 5_000 };

function endNote({ phase, reason, message }: Outcome, object: OSUpgradeProgress, attempt: number) {
  const { name } = object.metadata;
  const { retryNonce: nonce, plan } = object.spec;
  const target = { name, attempt, nonce, plan };
  return phase === 'Completed'
    ? // A retry that was asked for meanwhile has nothing left to do, now or when somebody rolls back later.
      { phase, message, failureReason: '', ...(nonce && { observedRetryNonce: nonce }) }
    : { phase, failureReason: reason, message: withWayOut(message, reason, target) };
}

async function writeEnd(deps: AgentDeps, object: OSUpgradeProgress, note: StatusNote): Promise<void> {
  const { isWritten } = await deps.status.write(object, note);
  if (!isWritten) return;
  const { name, uid } = object.metadata;
  const isGood = note.phase === 'Completed';
  const message = note.message || `the node runs ${note.targetVersion}`;
  const fields = { name, phase: note.phase, attempt: note.attempt, detail: message };
  if (isGood) deps.log.info('upgrade completed', fields);
  else deps.log.error('upgrade ended without success', { ...fields, reason: note.failureReason });
  const about = { apiVersion: API_VERSION, kind: object.kind, name, uid };
  deps.events.record(about, isGood ? 'Normal' : 'Warning', note.failureReason || note.phase, message);
}
