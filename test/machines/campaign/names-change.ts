import { match, strictEqual } from 'node:assert/strict';
import type { MachineNode } from '../machine-node.ts';
import { applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { dataDisk, hashOfDisk } from './data-disk.ts';
import { inMachine } from './refusals.ts';
import { type Before, lookBefore, untilUpgraded } from './steps.ts';

/** Disks that are called otherwise in the next boot. */
export const NAMES_THAT_CHANGE: readonly MachineCase[] = [
  {
    id: 'names/change-while-staged',
    title:
      'the disk is vda, and called sd… beside another disk from the next boot on, while the image is staged',
    expected: 'the staged image is found again and tried: Completed, the other disk is untouched',
    run: async context => {
      const { world, note, step } = context;
      const node = await context.node({ firmware: 'uefi', isPrivate: true });
      const path = await dataDisk(world, 'comes-while-staged');
      const [before, untouched] = [await lookBefore(node), await hashOfDisk(path)];
      const version = nextVersion(before.view.osImage);
      const file = world.serve(await rawSystem({ version }));
      const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
      // A drain may not begin any more, so the node stays where it is.
      await request.until(['Downloading', 'Installing', 'Staged']);
      await world.cluster.kubectl([
        'patch',
        'osupgrade',
        request.name,
        '--type=merge',
        '-p',
        '{"spec":{"paused":true}}',
      ]);
      await request.until(['Staged']);
      step('switched off while staged, on again with another controller');
      const downloads = world.server.bytesSent(file.path);
      await inMachine(node, 'sync');
      await node.machine.cutPower();
      await node.machine.powerOn({ diskName: 'sda', dataDisk: { path, isFirst: true } });
      const now = await node.untilReady({ notBootId: before.view.bootId });
      const root = await inMachine(node, 'findmnt -no SOURCE / | xargs readlink -f');
      match(root, /^\/dev\/sd/);
      await world.cluster.kubectl([
        'patch',
        'osupgrade',
        request.name,
        '--type=merge',
        '-p',
        '{"spec":{"paused":false}}',
      ]);
      await untilUpgraded(node, request, {
        before: { ...before, view: now },
        osImage: osImageOf(version),
      });
      strictEqual(world.server.bytesSent(file.path), downloads, 'bytes downloaded');
      strictEqual(await hashOfDisk(path), untouched, 'SHA-256 of the other disk');
      note(`vda → ${root} → ${await inMachine(node, 'findmnt -no SOURCE / | xargs readlink -f')}`);
      await request.remove();
    },
  },
  {
    id: 'names/change-into-trial',
    title: 'the disk is vda, and called sd… beside another disk in the trial itself',
    expected: 'the trial is confirmed: Completed, the other disk is untouched',
    run: async context => {
      const { world, note } = context;
      const node = await context.node({ firmware: 'bios', isPrivate: true });
      const path = await dataDisk(world, 'comes-in-trial');
      const [before, untouched] = [await lookBefore(node), await hashOfDisk(path)];
      node.machine.change({ diskName: 'sda', dataDisk: { path, isFirst: true } });
      await upgrade(context, node, before);
      const root = await inMachine(node, 'findmnt -no SOURCE / | xargs readlink -f');
      match(root, /^\/dev\/sd/);
      strictEqual(await hashOfDisk(path), untouched, 'SHA-256 of the other disk');
      note(`vda2 → ${root} in the trial`);
    },
  },
];

/** Upgrades a node to the version after its own, and waits until that is over. */
export async function upgrade({ world }: CaseContext, node: MachineNode, before: Before): Promise<void> {
  const version = nextVersion(before.view.osImage);
  const file = world.serve(await rawSystem({ version }));
  const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
  await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
  await request.remove();
}
