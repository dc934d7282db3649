import { messageOf, StalledError, TransientError } from '../../domain/errors.ts';
import type { Outcome, TrialRecord } from '../decide/records.ts';
import type { Snapshot } from '../decide/snapshot.ts';
import type { Step } from '../decide/step.ts';
import { ruleOfTrial } from '../decide/version-rule.ts';
import type { AgentDeps } from '../deps.ts';
import { factsOf, tellTrouble } from './report.ts';

type StepOf<Type extends Step['type']> = Extract<Step, { type: Type }>;

/** Records the intent, here and in the status: without the API server's word nothing is rebooted. */
export async function announceReboot(
  deps: AgentDeps,
  { object, trial }: StepOf<'announceReboot'>,
  seen: Snapshot,
): Promise<number> {
  const { attempt, bootId, targetSlot, targetVersion, armCount } = trial;
  try {
    await deps.state.trial.save(trial);
  } catch (error) {
    return giveUp(deps, trial, error);
  }
  const again = armCount > 1 ? ` (the boot loader did not try it; time ${armCount})` : '';
  await deps.status.write(object, {
    attempt,
    phase: 'Rebooting',
    bootId,
    message: `booting ${targetVersion} from slot ${targetSlot} once, as a trial${again}`,
    ...factsOf(seen, targetVersion, ruleOfTrial(trial)),
  });
  return 0;
}

/** What a person has to change first ends the attempt before its reboot; what may pass is tried again. */
async function giveUp({ state }: AgentDeps, trial: TrialRecord, error: unknown): Promise<number> {
  if (!(error instanceof StalledError)) throw error;
  const outcome: Outcome = { phase: 'Failed', reason: error.reason, message: messageOf(error) };
  await state.trial.hold({ ...trial, phase: 'Ended', outcome });
  return 0;
}

/** Sets the one-boot entry and reboots. That it is armed is recorded only after it was read back. */
export async function armAndReboot(deps: AgentDeps, trial: TrialRecord): Promise<number | undefined> {
  const { bootLoader, state, log } = deps;
  const { targetSlot, fromSlot, targetVersion } = trial;
  try {
    await bootLoader.assertTrialSupported();
    // The guard of the slot must neither take it for the default nor count what it did before.
    await state.defaultSlot.save(fromSlot);
    await state.guardNote.clear();
    await bootLoader.armTrial(targetSlot, fromSlot);
    const { trialSlot, defaultSlot } = await bootLoader.read();
    if ((trialSlot ?? defaultSlot) !== targetSlot)
      throw new TransientError(
        'ArmNotSeen',
        `the boot loader's environment does not name slot ${targetSlot}`,
      );
    await state.trial.save({ ...trial, armed: true });
  } catch (error) {
    return giveUp(deps, trial, error);
  }
  log.info('boot loader armed for one boot', {
    slot: targetSlot,
    version: targetVersion,
    fallback: fromSlot,
  });
  return reboot(deps, 'the trial boot is armed');
}

/** Asks the host to reboot, and takes its time to wait for it. */
export async function reboot(deps: AgentDeps, reason: string): Promise<undefined> {
  deps.log.info('rebooting the node', { reason });
  await deps.events.flush();
  const { memory } = deps;
  memory.rebootsAsked = (memory.rebootsAsked ?? 0) + 1;
  if (memory.rebootsAsked > 1)
    await tellTrouble(
      deps,
      `the node was asked to reboot and has not (time ${memory.rebootsAsked - 1}): reboot it by hand, and see ` +
        "rebootCommand in the agent's configuration, or what holds up systemctl reboot",
    );
  memory.rebootAskedMs = deps.clock.monotonicMs();
  try {
    await deps.host.reboot();
  } catch (error) {
    delete deps.memory.rebootAskedMs;
    throw error;
  }
  return undefined;
}
