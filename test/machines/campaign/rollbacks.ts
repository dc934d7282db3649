import { ok } from 'node:assert/strict';
import type { OSInstance } from '../../../src/api/openeuler/index.ts';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import { applyOS } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { World } from '../world.ts';
import type { MachineCase } from './case.ts';
import { lookBefore, untilUpgraded } from './steps.ts';

/** Rollbacks that a person asks for. */
export const ROLLBACKS: readonly MachineCase[] = [
  {
    id: 'upgrade/rollback-by-opstype',
    title: 'OS with opstype: rollback, which downloads nothing',
    expected: 'Completed, the old version runs and is the default',
    run: async ({ node: take, world, note }) => {
      const node = await take({ firmware: 'uefi' });
      const there = (await otherSystem(world, node)) ?? (await upgradeFirst(world, node));
      const before = await lookBefore(node);
      const spec = { opstype: 'rollback', imagetype: '', osversion: there };
      const request = await applyOS(world, { nodeName: node.name, version: there, spec });
      const { history = [] } = await untilUpgraded(node, request, { before, osImage: there });
      const phases = history.map(({ phase }) => phase);
      ok(!phases.includes('Downloading'), `a rollback fetches nothing: ${phases.join(', ')}`);
      note(`slot ${before.booted}, ${before.view.osImage} → ${there}: ${phases.join(', ')}`);
      await request.remove();
    },
  },
];

/** Waits for what the agent says of the slot that does not run; undefined if that holds no system. */
async function otherSystem({ api }: World, { name, machine }: MachineNode): Promise<string | undefined> {
  const { output: bootId } = await machine.run('cat /proc/sys/kernel/random/boot_id');
  const path = `/apis/upgrade.openeuler.org/v1alpha1/namespaces/default/osinstances/${name}`;
  const slots = await eventually(
    async () => {
      const { status } = await api.call<OSInstance>('GET', path);
      return status?.bootId === bootId && status.slots;
    },
    { timeoutMs: 60_000, what: `the agent has reported the slots of ${name}` },
  );
  return slots.find(({ booted }) => !booted)?.prettyName || undefined;
}

/** @returns what the slot holds that is then the other one */
async function upgradeFirst(world: World, node: MachineNode): Promise<string> {
  const before = await lookBefore(node);
  const version = nextVersion(before.view.osImage);
  const file = world.serve(await rawSystem({ version }));
  const request = await applyOS(world, { nodeName: node.name, version, file });
  await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
  await request.remove();
  return before.view.osImage;
}
