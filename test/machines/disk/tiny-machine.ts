import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from '../../../tools/lib/paths.mjs';
import { eventually } from '../../env/wait.ts';
import type { Hardware } from '../qemu/command-line.ts';
import { startMachine } from '../qemu/machine.ts';
import { debianTree } from '../tree/debian-tree.ts';
import { type DiskOptions, makeDisk } from './disk.ts';
import { makeInitrd } from './initrd.ts';
import { copyDisk, type DiskLayout, type Firmware } from './layout.ts';
import { writeSlotFile } from './offline.ts';
import { makeSlotImage } from './slot-image.ts';

/** The tiny system's only program. It says which slot it runs from and on which partition, and switches off. */
const INIT = `#!/bin/busybox sh
read -r name </etc/name
device=$(/bin/busybox awk '$2 == "/" { print $1 }' /proc/mounts)
/bin/busybox printf 'tiny system %s runs from %s\\n' "$name" "$device"
/bin/busybox printf 'with %s\\n' "$(/bin/busybox cat /proc/cmdline)"
# Not unmounted before the end, so that what was written is in the journal alone.
[ -e /write ] && /bin/busybox mount -t ext4 /dev/vda4 /mnt && echo "$name" >/mnt/etc/written && /bin/busybox sync
[ -e /hang ] && /bin/busybox sleep 3600
/bin/busybox poweroff -f
`;

/** Disks of a system that is nothing but a kernel and busybox; both slots have it. */
export interface TinyDisks {
  /** A disk of its own for a test. */
  make(firmware: Firmware, more?: Partial<DiskOptions>): Promise<DiskLayout>;
}

/** Builds the tiny system in `dir`, with the kernel of the test machines. Needs root, as that one does. */
export async function tinyDisks(dir: string): Promise<TinyDisks> {
  const image = join(dir, 'slot.img');
  await makeSlotImage({ tree: await makeTree(dir), sizeMiB: 48, out: image });
  const persistTree = join(dir, 'persist');
  for (const folder of ['etc', 'var/lib']) await mkdir(join(persistTree, folder), { recursive: true });
  const made = new Map<string, DiskLayout>();
  let count = 0;
  const make: TinyDisks['make'] = async (firmware, more = {}) => {
    const key = JSON.stringify([firmware, more]);
    const sizes = { slotMiB: 64, persistMiB: 64, persistTree };
    const slots = { A: image, B: image };
    const out = join(dir, `made-${made.size}.raw`);
    const disk = made.get(key) ?? (await makeDisk({ firmware, out, slots, ...sizes, ...more }));
    if (!made.has(key) && more.slots === undefined) await writeSlotFile(disk, 'B', '/etc/name', 'B\n');
    made.set(key, disk);
    count += 1;
    return copyDisk(disk, join(dir, `disk-${count}.raw`));
  };
  return { make };
}

async function makeTree(dir: string): Promise<string> {
  const tree = join(dir, 'tree');
  for (const folder of ['bin', 'boot', 'dev', 'etc', 'mnt', 'proc', 'sbin', 'sys'])
    await mkdir(join(tree, folder), { recursive: true });
  const busybox = findProgram('busybox') ?? '/bin/busybox';
  await copyFile(busybox, join(tree, 'bin/busybox'));
  await writeFile(join(tree, 'sbin/init'), INIT);
  await chmod(join(tree, 'sbin/init'), 0o755);
  await writeFile(join(tree, 'etc/name'), 'A\n');
  const system = await debianTree();
  await copyFile(join(system.dir, 'boot/vmlinuz'), join(tree, 'boot/vmlinuz'));
  await makeInitrd({ modulesDir: system.modulesDir, busybox, out: join(tree, 'boot/initramfs.img') });
  return tree;
}

/** On a machine that others use too, an emulated one takes its time. */
const PATIENCE_MS = 600_000;

/** What a machine did until its system switched it off. */
export interface Run {
  readonly text: string;
  /** How often it was started; above 1, it reset itself in between. */
  readonly boots: number;
}

/** Switches a machine with this disk on, and waits until its system switches it off. */
export async function runUntilOff(
  disk: DiskLayout,
  dir: string,
  more: Partial<Hardware> & { readonly answers?: readonly { when: RegExp; type: string }[] } = {},
): Promise<Run> {
  const { answers = [], ...hardware } = more;
  const parts = { firmware: disk.firmware, diskPath: disk.path, memoryMiB: 512, cpus: 1, dir };
  const machine = await startMachine('tiny', { ...parts, ...hardware });
  try {
    for (const { when, type } of answers) {
      await machine.console.untilSeen(when, { timeoutMs: PATIENCE_MS });
      machine.console.type(type);
    }
    const isOff = (): boolean => machine.boots.at(-1)?.end === 'power-off';
    await eventually(isOff, { timeoutMs: PATIENCE_MS, what: 'the tiny system switches its machine off' });
    return { text: machine.console.text, boots: machine.boots.length };
  } catch (error) {
    throw new Error(`${String(error)}\n${machine.console.text}`, { cause: error });
  } finally {
    await machine.stop();
  }
}
