import type { Phase, SlotName } from '../../api/monok8s/index.ts';
import { needlessRetry, phaseOf } from './attempt.ts';
import { decidePlan } from './plan-steps.ts';
import { freshHealth, HEALTH_RETRY_MS, isNodeBack, type Snapshot, type Task } from './snapshot.ts';
import { IDLE, type Step } from './step.ts';
import { decideTrial } from './trial.ts';
import { recoverTrial } from './trial-recovery.ts';

/** How long the reboot that was asked for is waited for before it is asked for again. */
const REBOOT_PATIENCE_MS = 60_000;
/** Nothing tells when a person has mended what is wrong with slots or boot loader. */
const LOOK_AGAIN_MS = 15_000;

/**
 * What the agent does next. It goes by what is found: booted slot, default slot, versions, boot id. The state folder
 * and the status only tell what was intended. Order matters: a reboot that is under way is finished first, whatever
 * the API server says; nothing is written to a slot unless the running slot is the default.
 */
export function decideStep(s: Snapshot): Step {
  if (s.isRebooting) return { type: 'wait', retryInMs: REBOOT_PATIENCE_MS };
  if (s.trial) return decideTrial(s, s.trial);
  // Without the objects nobody knows whether a trial is under way whose record was lost.
  if (!s.isSynced) return IDLE;
  if (!s.slots.ok) return withoutSlots(s, s.slots);
  const recovered = s.task && recoverTrial(s, s.task, s.slots);
  if (recovered) return recovered;
  const { layout, boot } = s.slots;
  if (layout.booted !== boot.defaultSlot) return decideManualBoot(s, layout.booted);
  // Guards of both slots go by it. Before anything else is begun, so that it is right whatever happens then.
  if (s.notedDefault !== layout.booted) return { type: 'noteDefault', slot: layout.booted };
  if (s.task) return decidePlan(s, s.task, s.slots);
  if (s.staging.type !== 'idle') return { type: 'abortStaging' };
  const needless = needlessRetry(s.objects, {
    settings: s.settings,
    osRelease: layout[layout.booted].osRelease,
  });
  return needless ? { type: 'acknowledgeRetry', object: needless } : IDLE;
}

function withoutSlots({ task, staging }: Snapshot, why: { reason: string; message: string }): Step {
  if (staging.type !== 'idle') return { type: 'abortStaging' };
  return task
    ? { type: 'finish', task, outcome: { phase: 'Failed', reason: why.reason, message: why.message } }
    : { type: 'wait', retryInMs: LOOK_AGAIN_MS };
}

/**
 * Someone chose the other entry at the boot menu. It becomes the default once its node is Ready and healthy, so that
 * a rollback by hand lasts. A plan has to wait for that: the default slot may be the only good one.
 */
function decideManualBoot(s: Snapshot, slot: SlotName): Step {
  if (s.staging.type !== 'idle') return { type: 'abortStaging' };
  const hold = (message: string, retryInMs?: number): Step => waitTold(s.task, message, retryInMs);
  if (!isNodeBack(s)) return hold(`slot ${slot} was booted by hand; waiting for the node to be Ready`);
  const health = freshHealth(s);
  if (!health) return { type: 'checkHealth' };
  if (!health.healthy)
    return hold(
      `slot ${slot} was booted by hand; it is not healthy: ${health.message}`,
      HEALTH_RETRY_MS - health.ageMs,
    );
  return { type: 'keepManualBoot', slot };
}

/** Tells the attempt, in whatever phase it is before its reboot, what it waits for. */
function waitTold(task: Task | undefined, message: string, retryInMs?: number): Step {
  const isTold = task && !PAST_STAGED.includes(phaseOf(task));
  return {
    type: 'wait',
    ...(isTold && { task, note: { phase: phaseOf(task), message } }),
    ...(retryInMs !== undefined && { retryInMs }),
  };
}

const PAST_STAGED: readonly Phase[] = ['Rebooting', 'Confirming'];
