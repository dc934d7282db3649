import type { MachineNode } from '../machine-node.ts';
import { applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { lookBefore, untilUpgraded } from './steps.ts';

/** Upgrades from raw images by an `OSUpgrade`. */
export const UPGRADES: readonly MachineCase[] = [
  {
    id: 'upgrade/raw-osupgrade-uefi',
    title: 'OSUpgrade, raw image, UEFI',
    expected: 'Completed, saved_entry is the new slot',
    isQuick: true,
    run: async context => upgrade(context, await context.node({ firmware: 'uefi' })),
  },
  {
    id: 'upgrade/raw-osupgrade-uefi-back',
    title: 'from slot B into slot A',
    expected: 'Completed, saved_entry is the new slot',
    run: async context => {
      const node = await context.node({ firmware: 'uefi' });
      if ((await lookBefore(node)).booted === 'A') await upgrade(context, node);
      await upgrade(context, node);
    },
  },
];

async function upgrade({ world, note }: CaseContext, node: MachineNode): Promise<void> {
  const before = await lookBefore(node);
  const version = nextVersion(before.view.osImage);
  const file = world.serve(await rawSystem({ version }));
  const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
  await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
  note(`slot ${before.booted}, ${before.view.osImage} → ${osImageOf(version)}`);
  await request.remove();
}
