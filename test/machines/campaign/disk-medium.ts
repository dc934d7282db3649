import { randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import { eventually } from '../../env/wait.ts';
import { MIB, slotPartition } from '../disk/layout.ts';
import type { MachineNode } from '../machine-node.ts';
import { mendMedium, spoilMedium } from '../qemu/medium.ts';
import type { MachineCase } from './case.ts';
import { obstacleCase } from './obstacle.ts';
import { grubDir, inMachine } from './refusals.ts';
import { lookBefore } from './steps.ts';

const PAGE = 4096;
const SUPERBLOCK_AT = 1024;
/** Well behind the first flush and before the last: where the image has data. */
const IN_THE_MIDDLE = 80 * MIB;

/** Media that refuse, or do not keep what they were given. */
export const DISK_MEDIUM: readonly MachineCase[] = [
  obstacleCase({
    id: 'disk/write-errors',
    title: 'the disk does not write a sector in the middle of the slot (UEFI)',
    reason: 'SlotWriteFailed',
    refuses: 'plan',
    tells: /EIO.*check the disk/,
    node: { firmware: 'uefi' },
    put: async node => {
      const at = await inactiveSlotAt(node, IN_THE_MIDDLE);
      await spoilMedium(node.machine, [{ sector: at / 512, on: 'write' }]);
      return () => mendMedium(node.machine);
    },
    retried: 'until it installs',
  }),
  obstacleCase({
    id: 'disk/write-errors-superblock',
    title: 'the disk does not write the superblock, with which a slot becomes findable (BIOS)',
    reason: 'SlotWriteFailed',
    refuses: 'plan',
    tells: /EIO.*check the disk/,
    node: { firmware: 'bios' },
    put: async (node, { step }) => {
      // The first write to the slot destroys its superblock, the last puts the new one there: only that one fails.
      const at = await inactiveSlotAt(node, 0);
      await markPage(node, at);
      const spoilt = untilPage(node, at, page => page.every(byte => byte === 0)).then(() =>
        spoilMedium(node.machine, [{ sector: (at + SUPERBLOCK_AT) / 512, on: 'write' }]),
      );
      spoilt.then(() => step('its superblock cannot be written any more')).catch(() => undefined);
      return async () => {
        await spoilt;
        await mendMedium(node.machine);
      };
    },
    retried: 'to its end',
  }),
  obstacleCase({
    id: 'disk/environment-write-errors',
    title: "the disk does not write GRUB's environment block when the trial is armed (UEFI)",
    reason: 'BootEnvironmentInvalid',
    refuses: 'plan',
    tells: /could not be written \(EIO\): check the disk/,
    node: { firmware: 'uefi' },
    put: async node => {
      const sector = (await environmentAt(node)) / 512;
      await spoilMedium(node.machine, [{ sector, on: 'write' }]);
      return () => mendMedium(node.machine);
    },
    retried: 'to its end',
  }),
  obstacleCase({
    id: 'disk/read-errors',
    title: 'the disk does not read back a sector that it wrote (BIOS)',
    reason: 'ReadBackMismatch',
    refuses: 'plan',
    tells: /read back.*disk/,
    node: { firmware: 'bios' },
    put: async node => {
      const at = await inactiveSlotAt(node, IN_THE_MIDDLE);
      await spoilMedium(node.machine, [{ sector: at / 512, on: 'read' }]);
      return () => mendMedium(node.machine);
    },
    retried: 'until it installs',
  }),
  obstacleCase({
    id: 'disk/bit-flips',
    title: 'the disk keeps other bits than it was given (UEFI)',
    reason: 'ReadBackMismatch',
    refuses: 'plan',
    tells: /does not read back as it was written.*replace the disk/,
    node: { firmware: 'uefi' },
    put: async node => {
      const at = await inactiveSlotAt(node, IN_THE_MIDDLE);
      await markPage(node, at);
      const flipped = untilPage(node, at, page => !page.equals(MARKED)).then(page => {
        page[100] = (page[100] ?? 0) ^ 0x10;
        return writePage(node, at, page);
      });
      flipped.catch(() => undefined);
      return () => flipped;
    },
    retried: 'to its end',
  }),
];

/** What no image has. */
const MARKED = Buffer.alloc(PAGE, 0xa5);

/** Where a byte of the slot that does not run lies on the disk. */
async function inactiveSlotAt(node: MachineNode, position: number): Promise<number> {
  const { booted } = await lookBefore(node);
  return node.disk.partitions[slotPartition(booted === 'A' ? 'B' : 'A')].offset + position;
}

/**
 * Where the environment block lies on the disk. It is given a variable that nothing uses, as what is left of earlier
 * blocks looks like one too.
 */
async function environmentAt(node: MachineNode): Promise<number> {
  const mark = randomUUID();
  await inMachine(node, `grub-editenv ${grubDir(node)}/grubenv set mark=${mark} && sync`);
  const { offset, size } = node.disk.partitions.boot;
  const bytes = Buffer.alloc(size);
  const file = await open(node.disk.path, 'r');
  try {
    await file.read(bytes, 0, size, offset);
  } finally {
    await file.close();
  }
  const marked = bytes.indexOf(mark);
  const start = bytes.lastIndexOf('# GRUB Environment Block\n', marked);
  if (marked === -1 || start === -1 || start % 512 !== 0) throw new Error(`no block: ${marked}, ${start}`);
  return offset + start;
}

/** Makes a page of the disk tell that it has been written since. What the system keeps of it is dropped. */
async function markPage(node: MachineNode, at: number): Promise<void> {
  await writePage(node, at, MARKED);
  await inMachine(node, 'echo 3 > /proc/sys/vm/drop_caches');
}

async function writePage({ disk }: MachineNode, at: number, page: Buffer): Promise<void> {
  const file = await open(disk.path, 'r+');
  try {
    await file.write(page, 0, PAGE, at);
  } finally {
    await file.close();
  }
}

/** Looks at a page below the running machine, in quick succession, until it is as wanted. */
async function untilPage(
  { disk }: MachineNode,
  at: number,
  isWanted: (page: Buffer) => boolean,
): Promise<Buffer> {
  const file = await open(disk.path, 'r');
  try {
    return await eventually(
      async () => {
        const page = Buffer.alloc(PAGE);
        await file.read(page, 0, PAGE, at);
        return isWanted(page) && page;
      },
      { timeoutMs: 300_000, everyMs: 5, what: `the disk is written at byte ${at}` },
    );
  } finally {
    await file.close();
  }
}
