import type { OSUpgradeProgress } from '../../api/monok8s/index.ts';
import { isTerminalPhase } from '../../domain/progress.ts';
import { describeNote } from '../guard/note.ts';
import { viewGate } from './gate.ts';
import { objectOf, slotChangedMessage } from './plan-steps.ts';
import type { Outcome, TrialRecord } from './records.ts';
import {
  freshHealth,
  HEALTH_RETRY_MS,
  isNodeBack,
  type SlotsFound,
  type SlotView,
  type Snapshot,
} from './snapshot.ts';
import { IDLE, type Step } from './step.ts';
import { LOST, noteOf } from './trial-lost.ts';
import { isVersion, ruleOfTrial, versionOf } from './version-rule.ts';

type Blind = Extract<SlotView, { ok: false }>;

/** A trial that was never tried is armed again, twice at most. */
const MAX_ARMS = 3;
/** Falling back is tried so often, should the boot loader not obey. */
const MAX_FALLBACKS = 3;

/** What happens from the intent to reboot until the trial is over. It ends only as `Completed` or by a reboot. */
export function decideTrial(s: Snapshot, trial: TrialRecord): Step {
  if (s.staging.type !== 'idle') return { type: 'abortStaging' };
  if (trial.phase === 'Ended' && trial.outcome) return decideReport(s, trial, trial.outcome);
  if (!s.slots.ok) return decideBlind(s, trial, s.slots);
  const { layout } = s.slots;
  if (layout.booted === trial.targetSlot) return decideOnTrial(s, trial, s.slots);
  if (trial.phase === 'FallingBack')
    return rolledBack(trial, trial.outcome?.reason ?? 'TrialBootFailed', trial.outcome?.message ?? '');
  if (trial.phase === 'Committing')
    return rolledBack(
      trial,
      'TrialBootFailed',
      `${trial.targetVersion} was confirmed, but the node went back to slot ${trial.fromSlot} before it was kept`,
    );
  return trial.bootId === s.bootId ? decideReboot(s, trial, s.slots) : decideReturned(s, trial, s.slots);
}

function decideReport(s: Snapshot, trial: TrialRecord, outcome: Outcome): Step {
  if (!s.isSynced) return IDLE;
  const object = objectOf(s, trial);
  return { type: 'reportTrial', trial, outcome, ...(object && { object }) };
}

/**
 * Slots or boot loader cannot be read. Before the reboot nothing was tried, so the attempt ends; after it only a
 * reboot helps when the trial's time is over, once: if that changes nothing, a person has to look.
 */
function decideBlind(s: Snapshot, trial: TrialRecord, { reason, message }: Blind): Step {
  if (trial.phase === 'Rebooting' && trial.bootId === s.bootId) return failed(trial, reason, message);
  if (trial.phase === 'FallingBack' && trial.fallback?.bootId !== s.bootId)
    return failed(trial, reason, `${trial.outcome?.message ?? ''}; since then ${message}`);
  const leftMs = trial.trialSeconds * 1000 - s.uptimeMs;
  return leftMs <= 0
    ? { type: 'fallBack', trial, reason: 'TrialUnhealthy', message }
    : { type: 'confirmLater', trial, message, retryInMs: Math.min(HEALTH_RETRY_MS, leftMs) };
}

/** Still in the boot that announced the reboot: nothing was tried yet. */
function decideReboot(s: Snapshot, trial: TrialRecord, { layout, boot }: SlotsFound): Step {
  if (!s.isSynced) return IDLE;
  const object = objectOf(s, trial);
  if (!object || hasEnded(object, trial)) return { type: 'forgetTrial', trial };
  const gate =
    trial.gated && object.spec.plan ? viewGate(object.spec.plan, trial.attempt) : { type: 'open' as const };
  if (gate.type === 'ended') return { type: 'endTrial', trial, outcome: gate.outcome };
  if (gate.type !== 'open') return { type: 'forgetTrial', trial };
  const target = layout[trial.targetSlot];
  if (s.marker?.slot !== target.name || s.marker.superblockHash !== target.superblockHash)
    return failed(trial, 'SlotChanged', slotChangedMessage(target.name));
  const { status } = object;
  const isAnnounced =
    status?.phase === 'Rebooting' && status.attempt === trial.attempt && status.bootId === trial.bootId;
  if (!isAnnounced) return { type: 'announceReboot', object, trial };
  return trial.armed && boot.trialSlot === trial.targetSlot
    ? { type: 'reboot', reason: `slot ${trial.targetSlot} is armed for one boot` }
    : { type: 'armAndReboot', trial };
}

/** Someone else has written an end into the status: nothing more is said about this attempt. */
const hasEnded = ({ status }: OSUpgradeProgress, { attempt }: TrialRecord): boolean =>
  (status?.attempt ?? 0) > attempt || (status?.attempt === attempt && isTerminalPhase(status.phase));

/** Back in the old slot after a reboot. */
function decideReturned(s: Snapshot, trial: TrialRecord, { boot }: SlotsFound): Step {
  const isFlagSet = boot.trialSlot === trial.targetSlot;
  const slot = `slot ${trial.targetSlot} (${trial.targetVersion})`;
  if (trial.armed && !isFlagSet) return guardedOrLost(s, trial, slot);
  if (trial.armCount >= MAX_ARMS)
    return rolledBack(
      trial,
      'TrialNotTaken',
      `${slot} was armed ${trial.armCount} times and the boot loader never tried it: check its configuration`,
    );
  if (!s.isSynced) return IDLE;
  const object = objectOf(s, trial);
  if (!object) return { type: 'forgetTrial', trial };
  const again = { ...trial, bootId: s.bootId, armCount: trial.armCount + 1, armed: false };
  return { type: 'announceReboot', object, trial: again };
}

/** It was tried: its guard tells why it ended, if it came so far. */
function guardedOrLost(s: Snapshot, trial: TrialRecord, slot: string): Step {
  const note = noteOf(s, trial.targetSlot);
  if (note) return rolledBack(trial, 'TrialNotConfirmed', `${slot}: ${describeNote(note)}`);
  return rolledBack(trial, 'TrialBootFailed', `${slot} ${LOST}`);
}

/** The node runs the new system. */
function decideOnTrial(s: Snapshot, trial: TrialRecord, slots: SlotsFound): Step {
  const { layout, boot } = slots;
  const isDefault = boot.defaultSlot === layout.booted;
  if (trial.phase === 'FallingBack') return decideFallingBack(s, trial, isDefault);
  if (trial.phase === 'Committing' && isDefault) return completed(trial);
  // A flag that the boot loader did not clear would try the slot again after a fall-back. Falling back clears it too,
  // and must not wait for this.
  if (boot.trialSlot && s.uptimeMs < trial.trialSeconds * 1000)
    return { type: 'clearFlag', defaultSlot: boot.defaultSlot };
  const { osRelease } = layout[layout.booted];
  if (!isVersion(osRelease, trial.targetVersion, ruleOfTrial(trial)))
    return fallBack(
      trial,
      'TrialVersionMismatch',
      `slot ${layout.booted} came up as "${versionOf(osRelease, trial.versionField)}" and not as ${trial.targetVersion}`,
    );
  return decideConfirm(s, trial);
}

function decideConfirm(s: Snapshot, trial: TrialRecord): Step {
  const leftMs = trial.trialSeconds * 1000 - s.uptimeMs;
  const within = `within ${trial.trialSeconds} s of the boot`;
  const isBack = isNodeBack(s);
  if (leftMs <= 0) return tooLate(s, trial, within);
  const later = (message: string, retryInMs: number): Step => ({
    type: 'confirmLater',
    trial,
    message,
    retryInMs: Math.min(retryInMs, leftMs),
  });
  if (!isBack) return later('the new system runs; waiting for the node to be Ready', leftMs);
  const health = freshHealth(s);
  if (!health) return { type: 'checkHealth' };
  if (!health.healthy)
    return later(`the health command does not pass: ${health.message}`, HEALTH_RETRY_MS - health.ageMs);
  return { type: 'commit', trial };
}

/** The trial's time is over: what kept it from being confirmed. */
function tooLate(s: Snapshot, trial: TrialRecord, within: string): Step {
  if (!isNodeBack(s) || !s.health)
    return fallBack(
      trial,
      'TrialNotReady',
      `${trial.targetVersion} came up, but the node was not Ready and confirmed ${within}`,
    );
  const passedMs = s.uptimeMs - s.health.ageMs;
  if (s.health.healthy && passedMs >= trial.trialSeconds * 1000)
    return fallBack(
      trial,
      'TrialNotReady',
      `${trial.targetVersion} was Ready and healthy only ${Math.ceil(passedMs / 1000)} s after the boot and not ${within}: ` +
        "give it more time (trialSeconds in the agent's configuration)",
    );
  const what = s.health.healthy
    ? `${trial.targetVersion} was Ready and healthy, but could not be made the default ${within}: see the agent's log`
    : `the health command did not pass ${within}: ${s.health.message}`;
  return fallBack(trial, 'TrialUnhealthy', what);
}

function decideFallingBack(s: Snapshot, trial: TrialRecord, isDefault: boolean): Step {
  const { fallback, outcome } = trial;
  const reason = outcome?.reason ?? 'TrialBootFailed';
  const message = outcome?.message ?? '';
  if (fallback?.bootId === s.bootId) return fallBack(trial, reason, message);
  // Booted once more although it is not the default: someone chose it, after the trial had ended by a reboot.
  if (!isDefault) return rolledBack(trial, reason, message);
  return (fallback?.count ?? 0) < MAX_FALLBACKS
    ? fallBack(trial, reason, message)
    : failed(trial, 'FallbackFailed', `${message}; the boot loader keeps starting slot ${trial.targetSlot}`);
}

const fallBack = (trial: TrialRecord, reason: string, message: string): Step => ({
  type: 'fallBack',
  trial,
  reason,
  message,
});

const completed = (trial: TrialRecord): Step => ({
  type: 'endTrial',
  trial,
  outcome: { phase: 'Completed', reason: '', message: '' },
});

const rolledBack = (trial: TrialRecord, reason: string, message: string): Step => ({
  type: 'endTrial',
  trial,
  outcome: { phase: 'RolledBack', reason, message },
});

const failed = (trial: TrialRecord, reason: string, message: string): Step => ({
  type: 'endTrial',
  trial,
  outcome: { phase: 'Failed', reason, message },
});
