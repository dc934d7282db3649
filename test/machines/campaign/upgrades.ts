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
    run: upgrade,
  },
  {
    id: 'upgrade/raw-osupgrade-uefi-back',
    title: 'the same node again, into the other slot',
    expected: 'Completed, saved_entry is the new slot',
    run: upgrade,
  },
];

async function upgrade({ node: take, world, note }: CaseContext): Promise<void> {
  const node = await take({ firmware: 'uefi' });
  const before = await lookBefore(node);
  const version = nextVersion(before.view.osImage);
  const file = world.serve(await rawSystem({ version }));
  const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
  await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
  note(`slot ${before.booted}, ${before.view.osImage} → ${osImageOf(version)}`);
  await request.remove();
}
