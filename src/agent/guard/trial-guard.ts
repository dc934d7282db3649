import type { Logger } from 'winston';
import { isTransient, messageOf, reasonOf, StalledError } from '../../domain/errors.ts';
import { hostPath } from '../host/host-path.ts';
import { run } from '../host/run.ts';
import { mountSlot } from '../install/archive/mounted-slot.ts';
import { hasWrongChecksum } from '../install/ext4-superblock.ts';
import { readPrimarySuperblock } from '../install/superblock-io.ts';
import type { BootLoader, SlotFacts, Slots } from '../ports.ts';
import { diskOf, type SlotNode, statSlot } from '../slots/device.ts';
import { holdSlot } from '../slots/exclusive.ts';
import { locateOnDisk } from '../slots/on-disk.ts';
import { type GuardFiles, renderGuard } from './render.ts';
import { findLack, hasGuard, writeGuard } from './slot-files.ts';

/** Whether a trial boot of a slot falls back although its agent never starts. */
export interface GuardResult {
  readonly isGuarded: boolean;
  /** Why it is not, for the condition `TrialUnguarded`. */
  readonly reason: string;
  readonly message: string;
}

/** What a guard is made for, and what has to happen first. */
export interface ProtectOptions {
  /** How long the agent waits for the trial to pass, in seconds since the boot. The guard acts some time later. */
  readonly trialSeconds: number;
  /** Called before the first byte is written, if one is: the slot is not staged then. */
  beforeWrite(): Promise<void>;
}

/** Puts into a verified slot what reboots it, unless its trial was confirmed in time. */
export interface TrialGuard {
  /**
   * Called after the slot was verified and before it is marked as staged. It may write to the slot's file system, and
   * does not where the guard is there already.
   * @throws StalledError `SlotWriteFailed` if the slot may have been damaged; TransientError `SlotBusy`; whatever
   *   `beforeWrite` throws
   */
  protect(slot: SlotFacts, options: ProtectOptions): Promise<GuardResult>;
}

/** The agent decides first, and its orderly reboot gets the time to go through. */
const GRACE_SECONDS = 120;
const CHECK_LIMIT_MS = 10 * 60_000;
/** Offsets in the superblock, and their bits. @source Linux, "ext4 Data Structures and Algorithms", the super block */
const STATE = { at: 0x3a, clean: 1 } as const;
const INCOMPATIBLE = { at: 0x60, needsRecovery: 4 } as const;

/** How e2fsck ends. @source e2fsck(8) */
const CORRECTED = 1;
const LEFT_UNCORRECTED = 4;

/** What the guard works with. */
export interface TrialGuardParts {
  readonly hostRoot: string;
  /** As the host calls it. */
  readonly stateDir: string;
  readonly bootLoader: BootLoader;
  readonly slots: Slots;
  readonly log: Logger;
}

/** Guards trials by a systemd unit in the slot itself. */
export function createTrialGuard(parts: TrialGuardParts): TrialGuard {
  return { protect: (slot, options) => protect(parts, slot, options) };
}

async function protect(
  parts: TrialGuardParts,
  slot: SlotFacts,
  options: ProtectOptions,
): Promise<GuardResult> {
  const lack = await findLack(slot.path);
  if (lack !== undefined) return unguarded('GuardUnsupported', `the system has no ${lack}`);
  const node = await statSlot(slot.path);
  if (node === undefined) return unguarded('GuardNotInstalled', `${slot.path} is gone`);
  const files = await filesFor(parts, slot, node, options.trialSeconds);
  const isClean = await isCleanlyUnmounted(slot.path);
  if (isClean && (await hasGuard(slot.path, files))) return GUARDED;
  await options.beforeWrite();
  try {
    await parts.slots.assertWritable(slot.name);
    await install(node, files, isClean);
  } catch (error) {
    if (isTransient(error) && reasonOf(error) === 'SlotBusy') throw error;
    if (error instanceof Damage) throw damaged(error);
    const reason = reasonOf(error) === 'GuardUnsupported' ? 'GuardUnsupported' : 'GuardNotInstalled';
    return unguarded(reason, messageOf(error));
  }
  parts.log.info('trial guard put into the slot', { slot: slot.name, path: slot.path });
  return GUARDED;
}

async function filesFor(
  { hostRoot, stateDir, bootLoader }: TrialGuardParts,
  { name }: SlotFacts,
  node: SlotNode,
  trialSeconds: number,
): Promise<GuardFiles> {
  const disk = node.kind === 'block' ? await diskOf(node.device) : undefined;
  return renderGuard({
    slot: name,
    limitSeconds: trialSeconds + GRACE_SECONDS,
    check: await bootLoader.describeDefault(name),
    state: await locateOnDisk(hostRoot, hostPath(hostRoot, stateDir)),
    ...(disk !== undefined && { disk }),
  });
}

/** What is on the slot may not be whole any more, unlike where the guard could just not be put there. */
class Damage extends Error {}

const damaged = (cause: Damage): StalledError =>
  new StalledError(
    'SlotWriteFailed',
    `the slot's file system is damaged, which showed when its trial guard was written (${cause.message}): check the ` +
      'disk, and install the slot anew by an upgrade',
    { cause },
  );

async function install(node: SlotNode, files: GuardFiles, isClean: boolean): Promise<void> {
  const held = await holdSlot(node.path);
  try {
    await held.lend(async () => {
      if (!isClean) await repair(node.path);
      await writeInto(node, files);
      if (!(await hasGuard(node.path, files))) throw new Damage('it does not read back as it was written');
    });
  } finally {
    await held.release();
  }
}

async function writeInto(node: SlotNode, files: GuardFiles): Promise<void> {
  const mounted = await mountSlot(node, 'fill');
  try {
    const outcome = await writeGuard(mounted.root, files).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    // Also if it has no room: what was there is whole, and has to come to the disk.
    await mounted.unmount().catch((error: unknown) => {
      throw new Damage(messageOf(error), { cause: error });
    });
    if (outcome !== undefined) throw outcome.error;
  } finally {
    await mounted.drop();
  }
}

/** A machine that stopped in the middle of a write leaves what a file system without a journal does not mend itself. */
async function repair(path: string): Promise<void> {
  // e2fsck -p goes by no copy of it, and which of the two is right is not known here.
  if (hasWrongChecksum(await readPrimarySuperblock(path)))
    throw new Damage('its superblock has a wrong checksum');
  const { code, stdout, stderr } = await run(['e2fsck', '-p', '--', path], { timeoutMs: CHECK_LIMIT_MS });
  if (code === 0 || code === CORRECTED) return;
  const why = `e2fsck: ${`${stdout}${stderr}`.trim().slice(-300)}`;
  throw code === LEFT_UNCORRECTED ? new Damage(why) : new Error(why);
}

async function isCleanlyUnmounted(path: string): Promise<boolean> {
  const superblock = await readPrimarySuperblock(path);
  const isValid = (superblock.readUInt16LE(STATE.at) & STATE.clean) !== 0;
  return (
    isValid &&
    !hasWrongChecksum(superblock) &&
    (superblock.readUInt32LE(INCOMPATIBLE.at) & INCOMPATIBLE.needsRecovery) === 0
  );
}

const GUARDED: GuardResult = {
  isGuarded: true,
  reason: 'GuardInstalled',
  message: 'a trial boot whose agent never starts is ended by a unit in the slot',
};

const unguarded = (reason: string, why: string): GuardResult => ({
  isGuarded: false,
  reason,
  message:
    `a trial boot whose agent never starts is not ended by itself (${why}): reboot the node by hand then, and it runs ` +
    'the old system',
});
