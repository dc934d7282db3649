import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runProgram } from '../../env/node/run-program.ts';
import { makeExt4 } from './ext4.ts';
import { CORE_SECTOR, grubFolder, makeBiosGrub, makeEfiGrub } from './grub-image.ts';
import { grubMenu } from './grub-menu.ts';
import { type DiskLayout, type Firmware, MIB, type Partition, slotPartition } from './layout.ts';

/** What a machine's disk is made of. */
export interface DiskOptions {
  readonly firmware: Firmware;
  /** The disk: a sparse file. */
  readonly out: string;
  /** Paths of slot images. Slot B without one is empty: it has no file system. */
  readonly slots: { readonly A: string; readonly B?: string };
  readonly slotMiB: number;
  /** Folder whose content PERSIST gets. */
  readonly persistTree: string;
  readonly persistMiB: number;
  /** Seconds that GRUB's menu waits. Default 0. */
  readonly menuTimeout?: number;
  /** More words for the kernel's command line. */
  readonly extraKernelArgs?: readonly string[];
}

const BOOT_END = 60 * MIB;
/** The second copy of a GPT stands in the last 33 sectors. */
const TAIL = MIB;

/**
 * Makes a disk with KubeOS's layout: the boot loader's partition, ROOT-A, ROOT-B and PERSIST, bootable by the firmware.
 * No loop device is needed.
 */
export async function makeDisk(options: DiskOptions): Promise<DiskLayout> {
  const layout = planLayout(options);
  const scratch = await mkdtemp(join(tmpdir(), `twinslot-${process.pid}-disk-`));
  try {
    const file = await open(options.out, 'w');
    await file.truncate(layout.partitions.persist.offset + layout.partitions.persist.size + TAIL);
    await file.close();
    const partUuids = await writeTable(layout, scratch);
    await fillBoot(layout, scratch, {
      ...{ firmware: options.firmware, partUuids, timeout: options.menuTimeout ?? 0 },
      extraKernelArgs: options.extraKernelArgs ?? [],
    });
    await fillSlot(layout, 'A', options.slots.A);
    if (options.slots.B !== undefined) await fillSlot(layout, 'B', options.slots.B);
    await fillExt4(layout.path, layout.partitions.persist, 'PERSIST', options.persistTree);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return layout;
}

function planLayout(options: DiskOptions): DiskLayout {
  const slot = options.slotMiB * MIB;
  const partitions = {
    boot: { offset: MIB, size: BOOT_END - MIB },
    rootA: { offset: BOOT_END, size: slot },
    rootB: { offset: BOOT_END + slot, size: slot },
    persist: { offset: BOOT_END + 2 * slot, size: options.persistMiB * MIB },
  };
  return { path: options.out, firmware: options.firmware, partitions };
}

/** @returns the PARTUUID of each slot */
async function writeTable(disk: DiskLayout, scratch: string): Promise<Record<'A' | 'B', string>> {
  const { boot, rootA, rootB, persist } = disk.partitions;
  const signature = randomBytes(4).toString('hex');
  const uuids = { A: randomUUID(), B: randomUUID() };
  const isGpt = disk.firmware === 'uefi';
  const line = (partition: Partition, type: string, more = ''): string =>
    // parted, which KubeOS partitions with, calls every GPT partition that it is given no name for so.
    `start=${partition.offset / 512}, size=${partition.size / 512}, type=${type}${isGpt ? ', name=primary' : ''}${more}`;
  const lines = isGpt
    ? [
        'label: gpt',
        line(boot, 'U'),
        line(rootA, 'L', `, uuid=${uuids.A}`),
        line(rootB, 'L', `, uuid=${uuids.B}`),
        line(persist, 'L'),
      ]
    : [
        ...['label: dos', `label-id: 0x${signature}`],
        line(boot, 'L', ', bootable'),
        ...[rootA, rootB, persist].map(partition => line(partition, 'L')),
      ];
  const script = join(scratch, 'table');
  await writeFile(script, `${lines.join('\n')}\n`);
  // sfdisk reads its script from its input alone.
  await runProgram(
    'sh',
    '-c',
    'sfdisk -q --no-reread --no-tell-kernel "$1" < "$2"',
    'sfdisk',
    disk.path,
    script,
  );
  return isGpt ? uuids : { A: `${signature}-02`, B: `${signature}-03` };
}

type Menu = Parameters<typeof grubMenu>[0];

async function fillBoot(disk: DiskLayout, scratch: string, menu: Menu): Promise<void> {
  const files = join(scratch, 'boot');
  const grubDir = join(files, grubFolder(disk.firmware));
  await mkdir(grubDir, { recursive: true });
  await writeFile(join(grubDir, 'grub.cfg'), grubMenu(menu));
  await runProgram('grub-editenv', join(grubDir, 'grubenv'), 'create');
  const { boot } = disk.partitions;
  if (disk.firmware === 'bios') {
    await fillExt4(disk.path, boot, 'GRUB2', files);
    const grub = await makeBiosGrub(join(scratch, 'core.img'));
    await writeAt(disk.path, grub.bootCode, 0);
    await writeAt(disk.path, grub.core, CORE_SECTOR * 512);
    return;
  }
  const loader = join(files, 'EFI/BOOT/BOOTX64.EFI');
  await mkdir(dirname(loader), { recursive: true });
  await makeEfiGrub(loader);
  const [sector, size] = [`${boot.offset / 512}`, `${boot.size / 1024}`];
  await runProgram('mkfs.vfat', '-F', '16', '-n', 'BOOT', '--offset', sector, disk.path, size);
  await runProgram('mcopy', '-s', '-Q', '-i', `${disk.path}@@${boot.offset}`, join(files, 'EFI'), '::/');
}

async function fillSlot(disk: DiskLayout, slot: 'A' | 'B', image: string): Promise<void> {
  const { offset } = disk.partitions[slotPartition(slot)];
  const where = [`if=${image}`, `of=${disk.path}`, 'bs=1M', `seek=${offset}`, 'oflag=seek_bytes'];
  await runProgram('dd', ...where, 'conv=notrunc,sparse', 'status=none');
  await runProgram('tune2fs', '-L', `ROOT-${slot}`, `${disk.path}?offset=${offset}`);
}

const fillExt4 = (path: string, partition: Partition, label: string, tree: string): Promise<void> =>
  makeExt4({ path, offset: partition.offset, sizeBytes: partition.size, label, tree });

async function writeAt(path: string, bytes: Buffer, position: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(bytes, 0, bytes.length, position);
  } finally {
    await file.close();
  }
}
