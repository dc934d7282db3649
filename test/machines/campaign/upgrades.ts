import { applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { MachineCase } from './case.ts';
import { lookBefore, untilUpgraded } from './steps.ts';

/** Upgrades that go well. */
export const UPGRADES: readonly MachineCase[] = [
  {
    id: 'upgrade/raw-osupgrade-uefi',
    title: 'OSUpgrade, raw image, UEFI: A to B, and back to A',
    expected: 'Completed, saved_entry is the new slot',
    isQuick: true,
    run: async ({ node: take, world, note }) => {
      const node = await take({ firmware: 'uefi' });
      for (const _ of ['there', 'back']) {
        const before = await lookBefore(node);
        const version = nextVersion(before.view.osImage);
        const file = world.serve(await rawSystem({ version }));
        const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
        await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
        note(`slot ${before.booted}, ${before.view.osImage} → ${osImageOf(version)}`);
        await request.remove();
      }
    },
  },
];
