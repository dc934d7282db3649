import { ok, strictEqual } from 'node:assert/strict';
import type { DiskName } from '../qemu/command-line.ts';
import type { MachineCase } from './case.ts';
import { dataDisk, dataDiskNode, hashOfDisk } from './data-disk.ts';
import { NAMES_THAT_CHANGE, upgrade } from './names-change.ts';
import { obstacleCase } from './obstacle.ts';
import { inMachine } from './refusals.ts';
import { lookBefore } from './steps.ts';

interface Named {
  readonly diskName: DiskName;
  readonly firmware: 'uefi' | 'bios';
  /** Of the system's partition 2, and the whole second disk. */
  readonly partition: string;
  readonly second: string;
}

const NAMED: readonly Named[] = [
  { diskName: 'sda', firmware: 'uefi', partition: '/dev/sda2', second: '/dev/sdb' },
  { diskName: 'nvme0n1', firmware: 'uefi', partition: '/dev/nvme0n1p2', second: '/dev/nvme1n1' },
];

/** Disks of every name, and names that change. `vda` is what all other rows have. */
export const NAMES: readonly MachineCase[] = [
  ...NAMED.map(
    ({ diskName, firmware, partition, second }): MachineCase => ({
      id: `names/${diskName}`,
      title: `the disk is ${diskName}, a second one beside it has partitions 2 and 3 too`,
      expected: 'Completed from the other slot of the right disk; the second disk is untouched',
      run: async context => {
        const { world, note } = context;
        const node = await context.node(await dataDiskNode({ firmware, diskName })(context));
        const dataPath = await dataDisk(world, diskName);
        await inMachine(node, `blkid ${second}2 ${second}p2 | grep -q DATA-2`);
        const [before, untouched] = [await lookBefore(node), await hashOfDisk(dataPath)];
        const root = await inMachine(node, 'findmnt -no SOURCE / | xargs readlink -f');
        ok(root.startsWith(partition.slice(0, -1)), `the system runs from ${root}`);
        await upgrade(context, node, before);
        strictEqual(await hashOfDisk(dataPath), untouched, 'SHA-256 of the second disk');
        note(`${root} → ${await inMachine(node, 'findmnt -no SOURCE / | xargs readlink -f')}`);
      },
    }),
  ),
  obstacleCase({
    id: 'names/labelled-alike',
    title: 'the second disk has a partition that is labelled like the slot which is still empty',
    reason: 'SlotForeignDisk',
    refuses: 'plan',
    tells: /does not lie on the disk that the system runs from.*name the slots/,
    node: async context => ({
      ...(await dataDiskNode({ firmware: 'bios', diskName: 'vda' })(context)),
      isPrivate: true,
    }),
    put: async (node, { world }) => {
      const label = (text: string): string => `e2label /dev/vdb3 ${text} && udevadm settle`;
      await inMachine(node, `${label('ROOT-B')} && readlink -f /dev/disk/by-label/ROOT-B | grep -q vdb3`);
      const dataPath = await dataDisk(world, 'vda');
      const alike = await hashOfDisk(dataPath);
      return async () => {
        strictEqual(await hashOfDisk(dataPath), alike, 'SHA-256 of the second disk');
        await inMachine(node, label('DATA-3'));
      };
    },
    retried: 'to its end',
  }),
  ...NAMES_THAT_CHANGE,
];
