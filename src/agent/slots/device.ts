import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hostPath } from '../host/host-path.ts';
import { type MountEntry, parseMountInfo } from './mount-info.ts';

/** A device as the kernel numbers it. */
export interface DeviceNumbers {
  readonly major: number;
  readonly minor: number;
}

/**
 * Splits a device number.
 * @source the C library's `gnu_dev_major` and `gnu_dev_minor`
 */
export function deviceNumbers(device: number): DeviceNumbers {
  const [high, low] = [Math.floor(device / 2 ** 32), device % 2 ** 32];
  return {
    major: ((low >>> 8) & 0xfff) + (high & ~0xfff),
    minor: (low & 0xff) + ((low >>> 12) & ~0xff) + (high & 0xfff) * 2 ** 20,
  };
}

/** Whether two numbers mean one device. */
export const isSameDevice = (left: DeviceNumbers, right: DeviceNumbers): boolean =>
  left.major === right.major && left.minor === right.minor;

/** What a slot's path leads to. */
export interface SlotNode {
  /** Without links: one that udev made from a label goes away with the label, that is, as soon as a slot is written. */
  readonly path: string;
  readonly kind: 'block' | 'file';
  /** Numbers of the device itself, or of the file system that the file lies on. */
  readonly device: DeviceNumbers;
  readonly inode: number;
  readonly mtimeMs: number;
  /** Of a plain file; a block device's size is found by opening it. */
  readonly fileBytes: number;
}

/** Looks at a slot's path; undefined if it is neither a block device nor a plain file. */
export async function statSlot(link: string): Promise<SlotNode | undefined> {
  const path = await realpath(link).catch(() => link);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !(found.isBlockDevice() || found.isFile())) return undefined;
  const kind = found.isBlockDevice() ? 'block' : 'file';
  return {
    path,
    kind,
    device: deviceNumbers(kind === 'block' ? found.rdev : found.dev),
    inode: found.ino,
    mtimeMs: found.mtimeMs,
    fileBytes: found.size,
  };
}

/** Whether two paths lead to one device or file. */
export const isSameNode = (left: SlotNode, right: SlotNode): boolean =>
  left.kind === right.kind &&
  isSameDevice(left.device, right.device) &&
  (left.kind === 'block' || left.inode === right.inode);

/** The host's mount table as its first process sees it; undefined where the host root shows none. */
export async function readHostMounts(hostRoot: string): Promise<MountEntry[] | undefined> {
  for (const path of ['/proc/1/mountinfo', '/proc/self/mountinfo']) {
    const text = await readFile(hostPath(hostRoot, path), 'utf8').catch(() => undefined);
    if (text !== undefined) return parseMountInfo(text);
  }
  return undefined;
}

/** This process's own mount table. */
export const readOwnMounts = async (): Promise<MountEntry[]> =>
  parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''));

/** The sysfs folder of the disk that a block device is or lies on; undefined if the kernel does not show it. */
export async function diskOf(device: DeviceNumbers): Promise<string | undefined> {
  const folder = await realpath(`/sys/dev/block/${device.major}:${device.minor}`).catch(() => undefined);
  if (folder === undefined) return undefined;
  const isPartition = await stat(join(folder, 'partition')).then(
    () => true,
    () => false,
  );
  return isPartition ? dirname(folder) : folder;
}

/** Size of a block device in bytes; the kernel counts in units of 512 whatever the device's own sectors are. */
export const blockDeviceBytes = async ({ major, minor }: DeviceNumbers): Promise<number> =>
  Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, 'utf8')) * 512;

/** Names of devices stacked on a block device (LVM, RAID, encryption). */
export const holdersOf = (device: DeviceNumbers): Promise<string[]> =>
  readdir(`/sys/dev/block/${device.major}:${device.minor}/holders`).catch(() => []);

/** Whether a device is one of dm-verity, whose partitions may not be changed one by one. */
export const isVerity = ({ major, minor }: DeviceNumbers): Promise<boolean> =>
  readFile(`/sys/dev/block/${major}:${minor}/dm/uuid`, 'utf8').then(
    uuid => uuid.startsWith('CRYPT-VERITY-'),
    () => false,
  );

/** A loop device on a slot. */
export interface Loop {
  readonly name: string;
  readonly device: DeviceNumbers;
  /** It goes by itself with the mount that it was made for. */
  readonly isLeaving: boolean;
}

/** The loop devices whose backing file is the slot. */
export async function loopsOn(slot: SlotNode, hostRoot: string): Promise<Loop[]> {
  const names = (await readdir('/sys/block').catch(() => [])).filter(name => name.startsWith('loop'));
  const found: Loop[] = [];
  for (const name of names) {
    const backing = await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => undefined);
    if (backing === undefined || !(await leadsTo(backing.trim(), slot, hostRoot))) continue;
    const [major = 0, minor = 0] = (await readFile(`/sys/block/${name}/dev`, 'utf8')).split(':').map(Number);
    const autoclear = await readFile(`/sys/block/${name}/loop/autoclear`, 'utf8').catch(() => '0');
    found.push({ name, device: { major, minor }, isLeaving: autoclear.trim() === '1' });
  }
  return found;
}

async function leadsTo(backingFile: string, slot: SlotNode, hostRoot: string): Promise<boolean> {
  for (const path of [backingFile, hostPath(hostRoot, backingFile)]) {
    const node = await statSlot(path);
    if (node !== undefined && isSameNode(node, slot)) return true;
  }
  return false;
}
