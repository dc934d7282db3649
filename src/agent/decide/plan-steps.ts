import { createHash } from 'node:crypto';
import type { NodePlan, OSUpgradeProgress } from '../../api/monok8s/index.ts';
import type { SlotFacts } from '../ports.ts';
import { phaseOf, statusOf } from './attempt.ts';
import { viewGate } from './gate.ts';
import { judgeSource } from './image-source.ts';
import type { Outcome, TrialRecord } from './records.ts';
import { inactiveSlot, type Resolution, type SlotsFound, type Snapshot, type Task } from './snapshot.ts';
import { isMarkedFor, isStaged } from './staged.ts';
import type { Note, Step } from './step.ts';
import { isVersion, ruleOfPlan } from './version-rule.ts';

type Planned = Extract<Resolution, { type: 'plan' }>;

/** What happens to a plan before its reboot. The running slot is the default, and no trial is under way. */
export function decidePlan(s: Snapshot, task: Task, slots: SlotsFound): Step {
  const { resolution } = task;
  if (resolution.type !== 'plan' && s.staging.type !== 'idle') return { type: 'abortStaging' };
  if (resolution.type === 'wait') return waiting(task, 'Pending', resolution.message, resolution.retryInMs);
  if (resolution.type === 'refused') return failed(task, resolution.reason, resolution.message);
  const gate = resolution.gated ? viewGate(resolution.plan, task.attempt) : { type: 'open' as const };
  if (gate.type === 'ended') return { type: 'finish', task, outcome: gate.outcome };
  const plan = resolution.plan;
  const refusal = judgePlan(plan);
  if (refusal) return { type: 'finish', task, outcome: refusal };
  if (isRunning(s, plan, slots)) return alreadyThere(task, plan);
  if (s.staging.type !== 'idle' && s.staging.key !== stagingKey(task, plan)) return { type: 'abortStaging' };
  return isPastStaging(task)
    ? decideStaged(s, task, resolution, slots)
    : decideBeforeStaged(s, task, resolution, slots);
}

/** Why a plan cannot be done by this agent at all. */
export function judgePlan(plan: NodePlan): Outcome | undefined {
  const no = (reason: string, message: string): Outcome => ({ phase: 'Failed', reason, message });
  if (plan.kind === 'config')
    return no(
      'ConfigUnsupported',
      'spec.plan.kind "config" is not supported yet: use "upgrade" or "rollback"',
    );
  if (plan.kind === 'rollback') return undefined;
  if (!plan.image) return no('ImageMissing', 'the plan has no image (spec.plan.image): an upgrade needs one');
  const refusal = judgeSource(plan.image);
  return refusal && no(refusal.reason, refusal.message);
}

/** One string for all that decides what is written to the slot: another one means another download. */
export const stagingKey = (task: Pick<Task, 'object' | 'attempt'>, plan: NodePlan): string =>
  createHash('sha256')
    .update(JSON.stringify([task.object.metadata.uid, task.attempt, plan.targetVersion, sorted(plan.image)]))
    .digest('hex');

// The same image, whichever way it came: from the API server or from the state folder.
const sorted = (image: NodePlan['image']) =>
  Object.entries(image ?? {}).toSorted(([l], [r]) => (l < r ? -1 : 1));

function decideBeforeStaged(s: Snapshot, task: Task, { plan }: Planned, slots: SlotsFound): Step {
  const slot = inactiveSlot(slots.layout);
  const { staging } = s;
  if (staging.type === 'running')
    return { type: 'wait', task, note: progressNote(task, staging), retryInMs: 5_000 };
  if (staging.type === 'failed') return failed(task, staging.reason, staging.message);
  if (staging.type === 'done')
    return { type: 'verifyStaged', task, plan, slot: slot.name, image: staging.image };
  // A flag that someone set would make the next boot try a slot that is half written.
  if (slots.boot.trialSlot) return { type: 'clearFlag', defaultSlot: slots.boot.defaultSlot };
  if (plan.kind === 'rollback' || isStaged(s.marker, task, plan, { slot, rule: ruleOfPlan(s, plan) }))
    return { type: 'verifyStaged', task, plan, slot: slot.name };
  return { type: 'stage', task, plan, slot: slot.name, key: stagingKey(task, plan) };
}

function decideStaged(s: Snapshot, task: Task, planned: Planned, slots: SlotsFound): Step {
  const { plan, gated, hold } = planned;
  const slot = inactiveSlot(slots.layout);
  // Nothing marked, or something else: the state folder was lost or the plan replaced. Staging starts over.
  if (!isStaged(s.marker, task, plan, { slot, rule: ruleOfPlan(s, plan) }))
    return isMarkedFor(s.marker, task, plan, slot)
      ? slotChanged(task, slot)
      : decideBeforeStaged(s, task, planned, slots);
  const gate = gated ? viewGate(plan, task.attempt) : ({ type: 'open' } as const);
  if (gate.type === 'draining') return waiting(task, 'Draining', gate.message);
  if (gate.type === 'closed') return waiting(task, 'Staged', gate.message);
  if (gate.type === 'ended') return { type: 'finish', task, outcome: gate.outcome };
  if (hold) return waiting(task, 'Staged', hold.message, hold.retryInMs);
  return { type: 'announceReboot', object: task.object, trial: newTrial(s, task, planned, slots) };
}

function newTrial(s: Snapshot, task: Task, { plan, gated }: Planned, { layout }: SlotsFound): TrialRecord {
  const rule = ruleOfPlan(s, plan);
  return {
    progress: { name: task.object.metadata.name, uid: task.object.metadata.uid },
    attempt: task.attempt,
    phase: 'Rebooting',
    targetSlot: inactiveSlot(layout).name,
    fromSlot: layout.booted,
    targetVersion: plan.targetVersion,
    versionField: rule.field,
    ...(rule.isExact && { exactVersion: true }),
    trialSeconds: s.settings.trialSeconds ?? plan.limits.trialSeconds,
    gated,
    bootId: s.bootId,
    armCount: 1,
    armed: false,
  };
}

/** The attempt has been past `Installing`, as far as its status tells. */
const isPastStaging = (task: Task): boolean => ['Staged', 'Draining', 'Rebooting'].includes(phaseOf(task));

const isRunning = (s: Snapshot, plan: NodePlan, { layout }: SlotsFound): boolean =>
  isVersion(layout[layout.booted].osRelease, plan.targetVersion, ruleOfPlan(s, plan));

const alreadyThere = (task: Task, plan: NodePlan): Step => ({
  type: 'finish',
  task,
  outcome: {
    phase: 'Completed',
    reason: '',
    message: `the node runs ${plan.targetVersion}; nothing was changed`,
  },
});

const waiting = (task: Task, phase: Note['phase'], message: string, retryInMs?: number): Step => ({
  type: 'wait',
  task,
  note: { phase, message },
  ...(retryInMs !== undefined && { retryInMs }),
});

const failed = (task: Task, reason: string, message: string): Step => ({
  type: 'finish',
  task,
  outcome: { phase: 'Failed', reason, message },
});

/** The message that ends an attempt whose slot was written by someone else after it had been verified. */
export const slotChangedMessage = (slot: string): string =>
  `slot ${slot} was changed by someone else after it had been verified: a retry begins with it anew`;

const slotChanged = (task: Task, slot: SlotFacts): Step =>
  failed(task, 'SlotChanged', slotChangedMessage(slot.name));

function progressNote(
  task: Task,
  { progress, retries, note }: Extract<Snapshot['staging'], { type: 'running' }>,
): Note {
  const { phase, bytesDone, bytesTotal } = progress;
  return {
    phase,
    progress: { bytesDone, bytesTotal },
    retryCount: Math.max(retries, statusOf(task)?.retryCount ?? 0),
    message: note,
  };
}

/** The object of a trial, if it is still there. */
export const objectOf = (s: Snapshot, trial: TrialRecord): OSUpgradeProgress | undefined =>
  s.objects.find(o => o.metadata.uid === trial.progress.uid);
