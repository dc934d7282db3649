import { access, stat, statfs } from 'node:fs/promises';
import { StalledError } from '../../domain/errors.ts';
import { deviceNumbers } from '../slots/device.ts';

/**
 * File systems on which GRUB does not overwrite a file's blocks, by their magic number.
 * @source the list that `grub-mkconfig` refuses to use `save_env` on, as far as a running system can have it
 */
const UNWRITABLE = new Map([
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0x73717368, 'squashfs'],
  [0x6969, 'nfs'],
]);

/**
 * Tells why GRUB could not clear the one-boot flag in its environment block; undefined if it can.
 * @param isDiskChecked whether LVM and RAID below it count too: not where the slots are plain files for trying out
 */
export async function findWriteObstacle(
  path: string,
  isDiskChecked: boolean,
): Promise<StalledError | undefined> {
  const name = UNWRITABLE.get((await statfs(path)).type);
  if (name !== undefined) return unsupported(path, `lies on ${name}`);
  if (!isDiskChecked) return undefined;
  const { major, minor } = deviceNumbers((await stat(path)).dev);
  for (const [folder, kind] of [
    ['dm', 'a device-mapper volume (LVM)'],
    ['md', 'a software RAID'],
  ]) {
    const isThere = await access(`/sys/dev/block/${major}:${minor}/${folder}`).then(
      () => true,
      () => false,
    );
    if (isThere) return unsupported(path, `lies on ${kind}`);
  }
  return undefined;
}

const unsupported = (path: string, problem: string): StalledError =>
  new StalledError(
    'TrialBootUnsupported',
    `GRUB cannot clear its one-boot flag: ${path} ${problem}, where GRUB does not write; ` +
      'keep the environment block on a plain partition (the EFI partition, or an ext4 /boot)',
  );
