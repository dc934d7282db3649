import type { SlotName } from '../../api/monok8s/index.ts';
import { reasonOf, StalledError } from '../../domain/errors.ts';
import type { GuardResult, TrialGuard } from '../guard/trial-guard.ts';
import { installStream } from '../install/install-stream.ts';
import { stageBy } from '../install/stager.ts';
import type { StagerParts } from '../install/stager-parts.ts';
import type { BootLoader, SlotFacts, StagedImage, StageHooks } from '../ports.ts';
import type { StateStore } from '../state.ts';
import { assertFlashable, type FlashGround } from './judge.ts';

/** What flashing works with: the same parts as the agent's. */
export interface FlashParts extends StagerParts {
  readonly bootLoader: BootLoader;
  readonly state: StateStore;
  readonly guard: TrialGuard;
}

/** What lies on the slot now. */
export interface Flashed extends StagedImage {
  /** Whether a boot of it whose agent never starts ends by itself. */
  readonly guard: GuardResult;
}

/** What to write, and where. */
export interface FlashRequest {
  readonly slot: SlotFacts;
  readonly source: AsyncIterator<Buffer>;
  /** `sha256:<hex>` of what `source` yields; undefined if nobody gave one. */
  readonly checksum: string | undefined;
  /** How many bytes `source` yields; 0 if that is not known. */
  readonly totalBytes: number;
  /** How long the agent may take to keep the slot once it is booted. */
  readonly trialSeconds: number;
}

/**
 * Looks whether a slot may be written by hand, by all that the agent itself looks at. Changes nothing.
 * @throws StalledError `SlotRunning`, `TrialUnderWay`, `SlotNotConfirmed`, `SlotArmed`, `SlotMounted`,
 *   `SlotForeignDisk`, `BootLineUnsupported`, and as `Slots.inspect`, `BootLoader.read`
 */
export async function checkFlash(parts: FlashParts, slot: SlotName): Promise<FlashGround> {
  const ground = await look(parts);
  assertFlashable(slot, ground);
  await parts.bootLoader.assertFindsNewSystem(slot);
  await parts.slots.assertWritable(slot);
  return ground;
}

/**
 * Writes an image to a slot as the agent does, while the agent may run beside. When this fails, nothing finds what lies
 * on the slot, or it is as it was.
 * @throws StalledError as `checkFlash`, `Stager.stage`; `SlotBusy` while the agent writes; `StateNotKept`
 */
export async function flash(parts: FlashParts, request: FlashRequest, hooks: StageHooks): Promise<Flashed> {
  const { slot, source, checksum, totalBytes, trialSeconds } = request;
  await checkFlash(parts, slot.name);
  await parts.state.assertWritable();
  const staged = await stageBy(
    async staging => {
      await disownStaged(parts, slot.name);
      return installStream({ source, totalBytes }, { ...staging, checksum });
    },
    parts,
    { image: {}, slot, stallMs: 0 },
    hooks,
  ).catch((error: unknown) => {
    throw reasonOf(error) === 'SlotBusy' ? busy(slot) : error;
  });
  // Had the agent been about to mark what lay there before, its mark came after the first time.
  await forgetStaged(parts, slot.name);
  return { ...staged, guard: await protect(parts, slot, trialSeconds) };
}

/** The agent holds a boot by hand to no time, so without this one that hangs would last until somebody comes. */
async function protect(
  { guard, slots }: FlashParts,
  slot: SlotFacts,
  trialSeconds: number,
): Promise<GuardResult> {
  try {
    return await guard.protect(slot, { trialSeconds, beforeWrite: async () => undefined });
  } catch (error) {
    if (reasonOf(error) === 'SlotBusy') throw busy(slot);
    // It may have been damaged.
    if (reasonOf(error) === 'SlotWriteFailed') await slots.destroySuperblock(slot.name);
    throw error;
  }
}

async function look({ slots, bootLoader, state }: FlashParts): Promise<FlashGround> {
  const [layout, boot, trial] = await Promise.all([slots.inspect(), bootLoader.read(), state.trial.load()]);
  return { layout, boot, trial };
}

/**
 * The agent must not boot what it had staged here: before the first byte its mark is made void. An agent that just began
 * a trial has recorded that before it looked at the mark, so looking for a trial afterwards misses none.
 */
async function disownStaged(parts: FlashParts, slot: SlotName): Promise<void> {
  const marker = await forgetStaged(parts, slot);
  try {
    assertFlashable(slot, await look(parts));
  } catch (error) {
    if (marker !== undefined) await parts.state.marker.save(marker);
    throw error;
  }
}

/**
 * No superblock has this hash. The mark itself stays: an upgrade that waits to be booted ends with `SlotChanged`, while
 * one without a mark would be installed anew, over what is being flashed.
 */
async function forgetStaged({ state }: FlashParts, slot: SlotName) {
  const marker = await state.marker.load();
  if (marker?.slot !== slot || marker.superblockHash === '') return undefined;
  await state.marker.save({ ...marker, superblockHash: '' });
  return marker;
}

const busy = ({ name }: SlotFacts): StalledError =>
  new StalledError(
    'SlotBusy',
    `slot ${name} is being written, by the agent of this node or by another ctl flash: wait until that is over ` +
      '(ctl status shows an agent at work), or pause the request',
  );
