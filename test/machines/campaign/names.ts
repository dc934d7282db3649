import { match, strictEqual } from 'node:assert/strict';
import type { DiskName } from '../qemu/command-line.ts';
import type { MachineCase } from './case.ts';
import { dataDisk, dataDiskNode, dataPartition, hashOfDisk } from './data-disk.ts';
import { NAMES_THAT_CHANGE, upgrade } from './names-change.ts';
import { obstacleCase } from './obstacle.ts';
import { inMachine } from './refusals.ts';
import { lookBefore } from './steps.ts';

interface Named {
  readonly diskName: DiskName;
  readonly firmware: 'uefi' | 'bios';
  /** What the system's disk is called: the number depends on which of the two the kernel finds first. */
  readonly called: RegExp;
}

const NAMED: readonly Named[] = [
  { diskName: 'sda', firmware: 'uefi', called: /^\/dev\/sd[ab][23]$/ },
  { diskName: 'nvme0n1', firmware: 'uefi', called: /^\/dev\/nvme[01]n1p[23]$/ },
];

/** Disks of every name, and names that change. `vda` is what all other rows have. */
export const NAMES: readonly MachineCase[] = [
  ...NAMED.map(
    ({ diskName, firmware, called }): MachineCase => ({
      id: `names/${diskName}`,
      title: `the disk is ${diskName}, a second one beside it has partitions 2 and 3 too`,
      expected: 'Completed from the other slot of the right disk; the second disk is untouched',
      run: async context => {
        const { world, note } = context;
        const node = await context.node(await dataDiskNode({ firmware, diskName, data: diskName })(context));
        const dataPath = await dataDisk(world, diskName);
        const other = await dataPartition(node, 2);
        const [before, untouched] = [await lookBefore(node), await hashOfDisk(dataPath)];
        const root = await inMachine(node, 'findmnt -no SOURCE / | xargs readlink -f');
        match(root, called);
        match(other, called);
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
      ...(await dataDiskNode({ firmware: 'bios', diskName: 'vda', data: 'alike' })(context)),
      isPrivate: true,
    }),
    put: async (node, { world }) => {
      const alien = await dataPartition(node, 3);
      const label = (text: string): string => `e2label ${alien} ${text} && udevadm settle`;
      await inMachine(
        node,
        `${label('ROOT-B')} && readlink -f /dev/disk/by-label/ROOT-B | grep -qx ${alien}`,
      );
      const dataPath = await dataDisk(world, 'alike');
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
