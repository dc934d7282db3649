import { join } from 'node:path';
import { cached } from './cache.ts';
import { makeDisk } from './disk/disk.ts';
import { copyDisk, type DiskLayout, type Firmware, readLayout } from './disk/layout.ts';
import { type LoadedImage, persistTree } from './tree/persist.ts';
import { rawSystem, SLOT_MIB, type SystemSpec } from './tree/system.ts';

const RECIPE = 1;
const PERSIST_MIB = 1280;

/** What is on a node's disk before it joins a cluster. */
export interface NodeDiskOptions {
  readonly firmware: Firmware;
  /** What slot A holds. Slot B is empty, as KubeOS installs it. */
  readonly system: SystemSpec;
  /** In the container runtime of both slots. */
  readonly images: readonly LoadedImage[];
  /** Seconds that GRUB's menu waits. Default 0. */
  readonly menuTimeout?: number;
  readonly kernelArgs?: readonly string[];
}

/** Puts a disk that a machine can boot at `path`; it is made once and then copied. Needs root. */
export async function makeNodeDisk(options: NodeDiskOptions, path: string): Promise<DiskLayout> {
  const { firmware, menuTimeout = 0, kernelArgs: extraKernelArgs = [] } = options;
  const [system, persist] = [await rawSystem(options.system), await persistTree(options.images)];
  const inputs = [
    RECIPE,
    firmware,
    system.path,
    persist,
    SLOT_MIB,
    PERSIST_MIB,
    menuTimeout,
    extraKernelArgs,
  ];
  const dir = await cached(`disk-${firmware}`, inputs, async work => {
    await makeDisk({
      ...{ firmware, out: join(work, 'disk.raw'), slots: { A: system.path }, slotMiB: SLOT_MIB },
      ...{ persistTree: persist, persistMiB: PERSIST_MIB, menuTimeout, extraKernelArgs },
    });
  });
  return copyDisk(await readLayout(join(dir, 'disk.raw')), path);
}
