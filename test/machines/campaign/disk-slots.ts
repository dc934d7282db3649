import { ok, strictEqual } from 'node:assert/strict';
import type { MachineNode } from '../machine-node.ts';
import { applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { MachineCase } from './case.ts';
import { dataDiskNode, dataPartition } from './data-disk.ts';
import { obstacleCase } from './obstacle.ts';
import { grubDir, inMachine } from './refusals.ts';
import { lookBefore, untilUpgraded } from './steps.ts';

/** Slots that someone uses, that are not two, and folders without room. */
export const DISK_SLOTS: readonly MachineCase[] = [
  obstacleCase({
    id: 'disk/slot-mounted',
    title: 'someone has mounted the slot (UEFI)',
    reason: 'SlotMounted',
    refuses: 'plan',
    tells: /umount \/mnt/,
    node: { firmware: 'uefi' },
    put: async node => {
      await inMachine(node, `mount -o ro ${await readableSlot(node)} /mnt`);
      return () => inMachine(node, 'umount /mnt');
    },
    retried: 'until it installs',
  }),
  obstacleCase({
    id: 'disk/slot-mounted-elsewhere',
    title: 'someone has mounted the slot in a mount namespace of his own (UEFI)',
    reason: 'SlotMounted',
    refuses: 'plan',
    tells: /sleep/,
    node: { firmware: 'uefi' },
    put: async node => {
      const slot = await readableSlot(node);
      await inMachine(node, `unshare --mount sh -c 'mount -o ro ${slot} /mnt && exec sleep 8642' & sleep 1`);
      await inMachine(node, "pgrep -f '^sleep 8642$'");
      return () => inMachine(node, "pkill -f '^sleep 8642$'");
    },
    retried: 'until it installs',
  }),
  obstacleCase({
    id: 'disk/slot-on-loop',
    title: 'a loop device lies on the slot (BIOS)',
    reason: 'SlotMounted',
    refuses: 'plan',
    tells: /losetup -d \/dev\/loop\d/,
    node: { firmware: 'bios' },
    put: async node => {
      const loop = await inMachine(node, `losetup --find --show ${await inactiveDevice(node)}`);
      return () => inMachine(node, `losetup -d ${loop}`);
    },
    retried: 'until it installs',
  }),
  obstacleCase({
    id: 'disk/slot-is-swap',
    title: 'someone swaps to the slot (BIOS)',
    reason: 'SlotMounted',
    refuses: 'plan',
    tells: /is swap space.*swapoff \/dev\/vda/,
    node: { firmware: 'bios' },
    put: async node => {
      const device = await inactiveDevice(node);
      await inMachine(node, `mkswap ${device} && swapon ${device}`);
      return () => inMachine(node, `swapoff ${device}`);
    },
    retried: 'until it installs',
  }),
  obstacleCase({
    id: 'disk/state-folder-full',
    title: "the disk of the agent's state folder is full (BIOS)",
    reason: 'StateNotKept',
    refuses: 'plan',
    tells: /\/var\/lib\/node-agent.*room/,
    node: { firmware: 'bios' },
    put: async node => {
      await inMachine(node, FILL('/persist/ballast'));
      return () => inMachine(node, 'rm /persist/ballast*; sync');
    },
    retried: 'to its end',
  }),
  obstacleCase({
    id: 'disk/third-root',
    title: 'a second disk has a partition that is labelled ROOT-C (UEFI)',
    reason: 'SlotCountUnsupported',
    refuses: 'node',
    tells: /ROOT-A.*ROOT-C.*slots: \{A: /,
    node: dataDiskNode({ firmware: 'uefi', diskName: 'sda', data: 'third-root' }),
    put: async node => {
      const third = await dataPartition(node, 3);
      await inMachine(node, `e2label ${third} ROOT-C && udevadm settle && ls /dev/disk/by-label/ROOT-C`);
      return () => inMachine(node, `e2label ${third} DATA-3 && udevadm settle`);
    },
    retried: 'until it installs',
  }),
  {
    id: 'disk/esp-full',
    title: 'the EFI partition is full (UEFI)',
    expected: 'Completed: the environment block is changed where it lies',
    run: async ({ node: take, world, note }) => {
      const node = await take({ firmware: 'uefi' });
      await inMachine(node, FILL('/boot/efi/ballast'));
      const full = await node.machine.run('echo more > /boot/efi/more');
      ok(/No space left/.test(full.output), `there is room: ${full.output}`);
      const before = await lookBefore(node);
      const version = nextVersion(before.view.osImage);
      const file = world.serve(await rawSystem({ version }));
      const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
      await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
      strictEqual((await node.machine.run(`stat -c %s ${grubDir(node)}/grubenv`)).output, '1024');
      note(`Completed with ${await inMachine(node, 'df --output=avail /boot/efi | tail -1')} KiB free`);
      await inMachine(node, 'rm -f /boot/efi/ballast* /boot/efi/more; sync');
      await request.remove();
    },
  },
];

/** Fills a file system to the last block with files that begin with a name. */
const FILL = (name: string): string =>
  `n=0; for size in 1024M 256M 64M 16M 4M 1M 256K 64K 16K 4K 1K; do ` +
  `while fallocate -l $size ${name}$n 2>/dev/null; do n=$((n+1)); done; rm -f ${name}$n; done; sync; true`;

/** The device of the slot that does not run. */
async function inactiveDevice(node: MachineNode): Promise<string> {
  const root = await inMachine(node, 'findmnt -no SOURCE / | xargs readlink -f');
  return root.replace(/\d$/, number => (number === '2' ? '3' : '2'));
}

/** The same, with a file system in it: what was installed is one, what was refused in the middle is none. */
async function readableSlot(node: MachineNode): Promise<string> {
  const device = await inactiveDevice(node);
  await inMachine(node, `blkid -t TYPE=ext4 ${device} || mke2fs -q -t ext4 ${device} 64M; udevadm settle`);
  return device;
}
