import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { hostPath } from '../host/host-path.ts';
import type { OnDisk } from '../ports.ts';
import { type DeviceNumbers, deviceNumbers, diskOf, isSameDevice, readHostMounts } from './device.ts';
import type { MountEntry } from './mount-info.ts';

/**
 * Finds out on which file system a file or folder of the host lies, and by what that is recognised in another boot.
 * @param path as this process opens it, that is below `hostRoot`
 */
export async function locateOnDisk(hostRoot: string, path: string): Promise<OnDisk> {
  // Where links lead out of the host's root, the path is taken as it stands.
  const root = await realpath(hostRoot).catch(() => hostRoot);
  const real = await realpath(path).catch(() => path);
  const isBelow = root === '/' || real.startsWith(`${root}/`);
  const place = posix.join('/', isBelow ? posix.relative(root, real) : posix.relative(hostRoot, path));
  const mounts = (await readHostMounts(hostRoot)) ?? [];
  const mount = mountOf(mounts, place);
  if (mount === undefined) return { path: place, mountPoint: '/', fsType: '', inside: place };
  const inside = posix.join(mount.root, posix.relative(mount.mountPoint, place));
  const device = await describeDevice(hostRoot, await deviceOf(mount, real));
  const { mountPoint, fsType } = mount;
  return { path: place, mountPoint, fsType, inside, ...(device && { device }) };
}

/** The mount that a path lies on: of those above it the nearest, and of several at one place the last. */
function mountOf(mounts: readonly MountEntry[], path: string): MountEntry | undefined {
  const above = mounts.filter(
    ({ mountPoint }) => mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`),
  );
  const longest = Math.max(...above.map(({ mountPoint }) => mountPoint.length));
  return above.findLast(({ mountPoint }) => mountPoint.length === longest);
}

/** Some file systems (btrfs) show numbers of no device in the mount table: what was mounted tells the device then. */
async function deviceOf({ major, minor, source }: MountEntry, path: string): Promise<DeviceNumbers> {
  if (major !== 0 || !source.startsWith('/dev/')) return { major, minor };
  const found = await stat(source).catch(() => stat(path).catch(() => undefined));
  return found?.isBlockDevice() ? deviceNumbers(found.rdev) : { major, minor };
}

async function describeDevice(hostRoot: string, device: DeviceNumbers): Promise<OnDisk['device']> {
  const { major, minor } = device;
  if (major === 0) return undefined;
  const [partUuid, uuid, partition, disk] = await Promise.all([
    findLink(hostPath(hostRoot, '/dev/disk/by-partuuid'), device),
    findLink(hostPath(hostRoot, '/dev/disk/by-uuid'), device),
    readFile(`/sys/dev/block/${major}:${minor}/partition`, 'utf8').then(Number, () => undefined),
    diskOf(device),
  ]);
  return {
    ...(partUuid !== undefined && { partUuid }),
    ...(uuid !== undefined && { uuid }),
    ...(partition !== undefined && { partition }),
    ...(disk !== undefined && { disk }),
  };
}

/** The name in a folder of links that leads to a device. */
async function findLink(folder: string, device: DeviceNumbers): Promise<string | undefined> {
  for (const name of await readdir(folder).catch(() => [])) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.isBlockDevice() && isSameDevice(deviceNumbers(found.rdev), device)) return name;
  }
  return undefined;
}
