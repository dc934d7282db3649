import { messageOf, StalledError } from '../../domain/errors.ts';
import { publicSource, sourceOf } from '../decide/image-source.ts';
import { slotChangedMessage } from '../decide/plan-steps.ts';
import type { Snapshot } from '../decide/snapshot.ts';
import { markedImage } from '../decide/staged.ts';
import type { Step } from '../decide/step.ts';
import { isVersion, ruleOfPlan, type VersionRule, versionOf } from '../decide/version-rule.ts';
import type { AgentDeps } from '../deps.ts';
import type { GuardResult } from '../guard/trial-guard.ts';
import type { SlotFacts } from '../ports.ts';
import { checkAddress } from '../transport/address.ts';
import { finish, tell } from './report.ts';

type StageStep = Extract<Step, { type: 'stage' }>;
type VerifyStep = Extract<Step, { type: 'verifyStaged' }>;

/** Begins to download and install, once it is certain that the slot may be overwritten and the result be tried. */
export async function stage(deps: AgentDeps, step: StageStep, seen: Snapshot): Promise<number> {
  const { task, plan, slot, key } = step;
  if (!seen.slots.ok || !plan.image) return 0;
  try {
    // What must not be fetched is refused before anything is touched.
    const source = sourceOf(plan.image);
    if (source?.type === 'file') checkAddress(source.address, plan.image.flagSafe === true);
    await deps.bootLoader.assertTrialSupported();
    await deps.bootLoader.assertFindsNewSystem(slot);
    await deps.slots.assertWritable(slot);
    await deps.state.assertWritable();
    // Before the first byte: what the marker tells will not be true any more.
    await deps.state.marker.clear();
  } catch (error) {
    return refuse(deps, step, seen, error);
  }
  await tell(deps, task, { phase: 'Downloading', message: `downloading to slot ${slot}` }, seen);
  deps.log.info('downloading and installing', {
    name: task.object.metadata.name,
    attempt: task.attempt,
    version: plan.targetVersion,
    slot,
    image: publicSource(plan.image),
  });
  const stallMs = (deps.settings.stallSeconds ?? plan.limits.stallSeconds) * 1000;
  deps.job.start(key, { image: plan.image, slot: seen.slots.layout[slot], stallMs });
  return 0;
}

/** Stops a download that nobody wants any more. */
export async function abortStaging({ job, log }: AgentDeps): Promise<number> {
  log.info('stopping the installation: it is not wanted any more');
  await job.abort();
  return 0;
}

/** Checks what lies in the slot, and marks it as staged. What was installed and is not right is made unbootable. */
export async function verifyStaged(deps: AgentDeps, step: VerifyStep, seen: Snapshot): Promise<number> {
  const { slot, image } = step;
  if (!seen.slots.ok) return 0;
  const facts = seen.slots.layout[slot];
  try {
    await deps.bootLoader.assertTrialSupported();
    if (image && image.superblockHash !== facts.superblockHash && !isMarked(step, facts, seen))
      throw new StalledError('SlotChanged', slotChangedMessage(slot));
    await assertContent(deps, step, facts, seen);
  } catch (error) {
    if (!image || !(error instanceof StalledError)) return refuse(deps, step, seen, error);
    if (['VersionMismatch', 'BootFilesMissing'].includes(error.reason))
      await deps.slots.destroySuperblock(slot);
    deps.job.fail(error.reason, messageOf(error));
    return 0;
  }
  let guard: GuardResult;
  try {
    guard = await guardAndMark(deps, step, facts, seen);
  } catch (error) {
    return refuse(deps, step, seen, error);
  }
  return tellStaged(deps, step, guard, seen);
}

/** What was verified gets its guard, and then the marker that says that it is staged. */
async function guardAndMark(
  { guard, slots, state, settings }: AgentDeps,
  { task, plan, slot, image }: VerifyStep,
  facts: SlotFacts,
  seen: Snapshot,
): Promise<GuardResult> {
  const result = await guard.protect(facts, {
    trialSeconds: settings.trialSeconds ?? plan.limits.trialSeconds,
    beforeWrite: () => state.marker.clear(),
  });
  // Looked at anew: a guard that could not be put there may have mounted the file system too.
  const { superblockHash } = (await slots.inspect())[slot];
  await state.marker.save({
    uid: task.object.metadata.uid,
    attempt: task.attempt,
    slot,
    ...markedImage(plan, image, seen.marker),
    superblockHash,
    version: plan.targetVersion,
  });
  return result;
}

/** The guard has written to the slot since the image was installed, and then it was marked. */
const isMarked = ({ task, slot }: VerifyStep, facts: SlotFacts, { marker }: Snapshot): boolean =>
  marker?.slot === slot &&
  marker.uid === task.object.metadata.uid &&
  marker.attempt === task.attempt &&
  marker.superblockHash === facts.superblockHash;

async function tellStaged(
  deps: AgentDeps,
  { task, plan, slot, image }: VerifyStep,
  guard: GuardResult,
  seen: Snapshot,
): Promise<number> {
  deps.log.info('slot staged', {
    name: task.object.metadata.name,
    slot,
    version: plan.targetVersion,
    wasThere: !image,
  });
  await tell(
    deps,
    task,
    {
      phase: 'Staged',
      message: `slot ${slot} holds ${plan.targetVersion}`,
      condition: {
        type: 'TrialUnguarded',
        status: guard.isGuarded ? 'False' : 'True',
        reason: guard.reason,
        message: guard.message,
      },
    },
    seen,
  );
  await deps.job.abort();
  return 0;
}

async function assertContent(
  { slots, bootLoader }: AgentDeps,
  { plan, slot }: VerifyStep,
  facts: SlotFacts,
  seen: Snapshot,
): Promise<void> {
  const rule = ruleOfPlan(seen, plan);
  if (!isVersion(facts.osRelease, plan.targetVersion, rule))
    throw new StalledError(
      'VersionMismatch',
      `slot ${slot} ${contentOf(facts, rule.field)}, not ${plan.targetVersion}: ` +
        (plan.kind === 'rollback'
          ? 'only what the other slot holds can be rolled back to; ask for that, or for an upgrade to the image of that version'
          : 'give the image of that version'),
    );
  const missing = await slots.missingFiles(slot, await bootLoader.bootFiles(slot));
  if (missing.length > 0)
    throw new StalledError(
      'BootFilesMissing',
      `slot ${slot} lacks ${missing.join(', ')}, which its boot entry loads: give an image that holds them`,
    );
}

const contentOf = ({ osRelease }: SlotFacts, field: VersionRule['field']): string =>
  osRelease
    ? `says ${field}="${versionOf(osRelease, field)}" in /etc/os-release`
    : 'holds no system that can be read';

/** A refusal ends the attempt; anything that may pass comes back with the loop's backoff. */
function refuse(
  deps: AgentDeps,
  { task }: StageStep | VerifyStep,
  seen: Snapshot,
  error: unknown,
): Promise<number> {
  if (!(error instanceof StalledError)) throw error;
  const outcome = { phase: 'Failed' as const, reason: error.reason, message: messageOf(error) };
  return finish(deps, task, outcome, seen);
}
