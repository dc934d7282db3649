import { describeNote } from '../guard/note.ts';
import { otherSlot, type SlotsFound, type Snapshot, type Task } from './snapshot.ts';
import type { Step } from './step.ts';
import { LOST, noteOf } from './trial-lost.ts';
import { isVersion, ruleOfPlan } from './version-rule.ts';

/**
 * What a status in `Rebooting` or `Confirming` means when the state folder knows of no trial (it was lost). Without
 * the record nothing is armed again: how often that was done is not known, and reboots must not repeat for ever.
 */
export function recoverTrial(s: Snapshot, task: Task, { layout, boot }: SlotsFound): Step | undefined {
  const { status } = task.object;
  const wasRebooting = status?.phase === 'Rebooting' || status?.phase === 'Confirming';
  if (task.isNew || !wasRebooting || task.resolution.type !== 'plan') return undefined;
  if (status.bootId === undefined || status.bootId === s.bootId) return undefined;
  const { plan, gated } = task.resolution;
  const { booted } = layout;
  const rule = ruleOfPlan(s, plan);
  if (booted !== boot.defaultSlot) {
    return {
      type: 'adoptTrial',
      trial: {
        progress: { name: task.object.metadata.name, uid: task.object.metadata.uid },
        attempt: task.attempt,
        phase: 'Rebooting',
        targetSlot: booted,
        fromSlot: otherSlot(booted),
        targetVersion: plan.targetVersion,
        versionField: rule.field,
        ...(rule.isExact && { exactVersion: true }),
        trialSeconds: s.settings.trialSeconds ?? plan.limits.trialSeconds,
        gated,
        bootId: status.bootId,
        armCount: 1,
        armed: true,
      },
    };
  }
  const note = noteOf(s, otherSlot(booted));
  const isThere = isVersion(layout[booted].osRelease, plan.targetVersion, rule);
  return {
    type: 'finish',
    task,
    outcome: isThere
      ? { phase: 'Completed', reason: '', message: '' }
      : {
          phase: 'RolledBack',
          reason: note ? 'TrialNotConfirmed' : 'TrialBootFailed',
          message: note
            ? `${plan.targetVersion}: ${describeNote(note)}`
            : status.phase === 'Confirming'
              ? `${plan.targetVersion} came up, but the node went back before it was kept, and its state folder was lost`
              : `${plan.targetVersion} ${LOST}`,
        },
  };
}
