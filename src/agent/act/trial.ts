import type { SlotName } from '../../api/monok8s/index.ts';
import { messageOf } from '../../domain/errors.ts';
import type { Outcome, TrialRecord } from '../decide/records.ts';
import type { Snapshot } from '../decide/snapshot.ts';
import type { Step } from '../decide/step.ts';
import type { AgentDeps } from '../deps.ts';
import { reboot } from './reboot.ts';
import { reportOutcome, tellTrial } from './report.ts';

type StepOf<Type extends Step['type']> = Extract<Step, { type: Type }>;

/** Keeps the trial that a status told of. */
export async function adoptTrial({ state, log }: AgentDeps, trial: TrialRecord): Promise<number> {
  log.warn('state folder knows of no trial, going by the status', { name: trial.progress.name });
  await state.trial.hold(trial);
  return 0;
}

/** Removes a one-boot flag. */
export async function clearFlag({ bootLoader, log }: AgentDeps, defaultSlot: SlotName): Promise<number> {
  log.warn('removing a one-boot flag that is still set', { defaultSlot });
  await bootLoader.settle(defaultSlot);
  return 0;
}

/** Tells what the trial waits for. */
export async function confirmLater(
  deps: AgentDeps,
  { trial, message, retryInMs }: StepOf<'confirmLater'>,
  seen: Snapshot,
): Promise<number> {
  await tellTrial(deps, trial, message, seen);
  return retryInMs;
}

/** Runs the health command. */
export async function checkHealth(deps: AgentDeps, seen: Snapshot): Promise<number> {
  if (seen.trial && !seen.health)
    await tellTrial(deps, seen.trial, 'the node is Ready; checking its health', seen);
  const result = await deps.host.checkHealth(deps.signal);
  deps.memory.health = { ...result, atMs: deps.clock.monotonicMs() };
  deps.log.info('health checked', { healthy: result.healthy, answer: result.message });
  return 0;
}

/** The trial has passed: its slot becomes the default. */
export async function commit({ state, bootLoader, log }: AgentDeps, trial: TrialRecord): Promise<number> {
  // Recorded first, so that a restart in between does not judge the committed system by the trial's deadline.
  await state.trial.save({ ...trial, phase: 'Committing' });
  await bootLoader.settle(trial.targetSlot);
  // Not earlier: a slot that is not the default stays guarded.
  await state.defaultSlot.hold(trial.targetSlot);
  log.info('trial confirmed, its slot is the default now', {
    slot: trial.targetSlot,
    version: trial.targetVersion,
  });
  return 0;
}

/** The trial has failed: back into the old slot, by a reboot. */
export async function fallBack(
  deps: AgentDeps,
  { trial, reason, message }: StepOf<'fallBack'>,
  { bootId }: Snapshot,
): Promise<number | undefined> {
  const { state, bootLoader, log } = deps;
  const count = trial.fallback?.count ?? 0;
  const fallback = trial.fallback?.bootId === bootId ? trial.fallback : { bootId, count: count + 1 };
  const outcome: Outcome = { phase: 'RolledBack', reason, message };
  log.error('trial failed, falling back', { slot: trial.targetSlot, reason, error: message });
  await state.trial.hold({ ...trial, phase: 'FallingBack', fallback, outcome });
  await bootLoader.settle(trial.fromSlot).catch((error: unknown) => {
    // The default is the old slot anyhow, and a reboot is all that is left.
    log.error('boot loader cannot be set', { error: messageOf(error) });
  });
  return reboot(deps, `the trial failed: ${reason}`);
}

/** The trial is over: kept first, so that clearing the boot loader does not hide how it ended. */
export async function endTrial(
  deps: AgentDeps,
  trial: TrialRecord,
  outcome: Outcome,
  seen: Snapshot,
): Promise<number> {
  await deps.state.trial.hold({ ...trial, phase: 'Ended', outcome });
  // Its words are in the outcome.
  await deps.state.guardNote.clear().catch((error: unknown) => {
    deps.log.warn('note of the trial guard stays', { error: messageOf(error) });
  });
  await tidyBoot(deps, trial, seen);
  return 0;
}

/** Tells the API server how it ended, then forgets. */
export async function reportTrial(
  deps: AgentDeps,
  { trial, outcome, object }: StepOf<'reportTrial'>,
  seen: Snapshot,
): Promise<number> {
  await tidyBoot(deps, trial, seen);
  if (object) await reportOutcome(deps, trial, outcome, object, seen);
  else
    deps.log.warn('object is gone, its trial ended unreported', {
      ...trial.progress,
      phase: outcome.phase,
      reason: outcome.reason,
    });
  await deps.state.trial.hold(undefined);
  return 0;
}

/** The object went away, or its gate was closed, before the reboot. */
export async function forgetTrial(deps: AgentDeps, trial: TrialRecord, seen: Snapshot): Promise<number> {
  deps.log.warn('reboot is not wanted any more', { ...trial.progress });
  await tidyBoot(deps, trial, seen);
  await deps.state.trial.hold(undefined);
  return 0;
}

/** Keeps in mind which slot is the default, for the guards of both. */
export async function noteDefault({ state, log }: AgentDeps, slot: SlotName): Promise<number> {
  log.debug('noting the default slot', { slot });
  await state.defaultSlot.hold(slot);
  return 0;
}

/** Makes the slot that a person booted the default, so that it lasts. */
export async function keepManualBoot(deps: AgentDeps, slot: SlotName): Promise<number> {
  await deps.bootLoader.settle(slot);
  await deps.state.defaultSlot.hold(slot);
  const message = `slot ${slot} was booted by hand and is healthy: it is the default now`;
  deps.log.info('manual boot kept', { slot });
  const uid = deps.caches.nodes.get({ name: deps.nodeName })?.uid;
  const about = { apiVersion: 'v1', kind: 'Node', name: deps.nodeName, ...(uid && { uid }) };
  deps.events.record(about, 'Normal', 'ManualBootKept', message);
  return 0;
}

/**
 * Back in the old slot, nothing stays armed and it is the default. In the other slot nothing is touched: whoever booted
 * it has not shown yet that it is healthy.
 */
async function tidyBoot(
  { bootLoader, log }: AgentDeps,
  trial: TrialRecord,
  { slots, bootId }: Snapshot,
): Promise<void> {
  if (!slots.ok) {
    // Still the boot before the trial, so it is known what runs, if only the boot loader can be read.
    if (bootId !== trial.bootId) return;
    return bootLoader.settle(trial.fromSlot).catch((error: unknown) => {
      log.error('boot loader cannot be set', { error: messageOf(error) });
    });
  }
  if (slots.layout.booted !== trial.fromSlot) return;
  const { trialSlot, defaultSlot } = slots.boot;
  if (trialSlot !== undefined || defaultSlot !== trial.fromSlot) await bootLoader.settle(trial.fromSlot);
}
