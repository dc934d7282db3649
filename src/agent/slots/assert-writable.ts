import { readFile } from 'node:fs/promises';
import { StalledError, TransientError } from '../../domain/errors.ts';
import { hostPath } from '../host/host-path.ts';
import {
  diskOf,
  holdersOf,
  isSameDevice,
  isSameNode,
  loopsOn,
  readHostMounts,
  readOwnMounts,
  type SlotNode,
  statSlot,
} from './device.ts';
import { findForeignMount } from './foreign-mounts.ts';
import { type MountEntry, rootMount } from './mount-info.ts';

/**
 * Proves that nothing uses a slot: no mount in any mount namespace, no loop device, nothing stacked on it, no swap.
 * @throws StalledError `SlotMounted` with what uses it; TransientError `SlotBusy`
 */
export async function assertUnused(slot: SlotNode, hostRoot: string): Promise<void> {
  const mounts = [...(await readOwnMounts()), ...((await readHostMounts(hostRoot)) ?? [])];
  const loops = await loopsOn(slot, hostRoot);
  const devices = [...(slot.kind === 'block' ? [slot.device] : []), ...loops.map(loop => loop.device)];
  const isOfSlot = (entry: MountEntry): boolean => devices.some(device => isSameDevice(device, entry));
  const mount = mounts.find(isOfSlot);
  if (mount !== undefined)
    throw inUse(slot, `is mounted at ${mount.mountPoint}`, `umount ${mount.mountPoint}`);
  const [loop] = loops;
  if (loop?.isLeaving === true) throw stillLeaving(slot);
  if (loop !== undefined)
    throw inUse(slot, `is attached to /dev/${loop.name}`, `losetup -d /dev/${loop.name}`);
  const [holder] = slot.kind === 'block' ? await holdersOf(slot.device) : [];
  if (holder !== undefined) throw inUse(slot, `is part of ${holder}`, 'take it out of there');
  if (await isSwap(slot, hostRoot)) throw inUse(slot, 'is swap space', `swapoff ${slot.path}`);
  const foreign = await findForeignMount(hostRoot, isOfSlot);
  if (foreign === undefined) return;
  const { mountPoint, pid, program } = foreign;
  throw inUse(
    slot,
    `is mounted at ${mountPoint} for process ${pid} (${program})`,
    `nsenter --target ${pid} --mount umount ${mountPoint}, or end that process`,
  );
}

/**
 * Proves that a slot that was found, not configured, lies on the disk that the system runs from.
 * @throws StalledError `SlotForeignDisk`
 */
export async function assertOnRootDisk(slot: SlotNode, hostRoot: string): Promise<void> {
  const root = rootMount((await readHostMounts(hostRoot)) ?? []);
  const rootDisk = root === undefined ? undefined : await diskOf(root);
  if (rootDisk !== undefined && rootDisk === (await diskOf(slot.device))) return;
  throw new StalledError(
    'SlotForeignDisk',
    `${slot.path} does not lie on the disk that the system runs from: name the slots in the agent's configuration ` +
      'if it is the right one all the same',
  );
}

async function isSwap(slot: SlotNode, hostRoot: string): Promise<boolean> {
  const table = await readFile('/proc/swaps', 'utf8').catch(() => '');
  for (const line of table.split('\n').slice(1)) {
    const path = line.split(/\s+/)[0] ?? '';
    for (const candidate of path === '' ? [] : [path, hostPath(hostRoot, path)]) {
      const node = await statSlot(candidate);
      if (node !== undefined && isSameNode(node, slot)) return true;
    }
  }
  return false;
}

/** No mount table that can be seen has it: it was mounted by a process of ours that was killed. */
const stillLeaving = (slot: SlotNode): TransientError =>
  new TransientError('SlotBusy', `${slot.path} is still being flushed for a process that ended: wait for it`);

const inUse = (slot: SlotNode, how: string, wayOut: string): StalledError =>
  new StalledError('SlotMounted', `${slot.path} ${how}, so it is not overwritten: ${wayOut}, then retry`);
