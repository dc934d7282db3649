import { strictEqual } from 'node:assert/strict';
import { eventually } from '../../env/wait.ts';
import { applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { World } from '../world.ts';
import type { MachineCase } from './case.ts';
import { forgetEvents, restart, takeByHand, untilKept, untilMenu } from './hand-steps.ts';
import { lookBefore, untilAtPeace, untilUpgraded } from './steps.ts';

const [UP, DOWN] = ['\u001b[A', '\u001b[B'];

/** The boot menu, on the serial line. */
export const HAND_MENU: MachineCase = {
  id: 'hand/boot-menu',
  title: 'after an upgrade a person restarts the node and selects the other boot entry',
  expected: 'the old version runs and is kept, with an Event; no plan fights it',
  run: async context => {
    const { world, note, step } = context;
    const node = await takeByHand(context);
    const { machine } = node;
    const old = await lookBefore(node);
    const version = nextVersion(old.view.osImage);
    const file = world.serve(await rawSystem({ version }));
    const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
    await untilUpgraded(node, request, { before: old, osImage: osImageOf(version) });
    const upgraded = await lookBefore(node);
    const plan = JSON.stringify((await request.progress())?.spec);
    await forgetEvents(world, node);

    step('at the menu');
    await untilMenu(node, await restart(node));
    // The default is highlighted, and the old slot is the other one of two.
    machine.console.type(`${old.booted === 'A' ? UP : DOWN}\r`);
    const view = await node.untilReady({ notBootId: upgraded.view.bootId });
    strictEqual(view.osImage, old.view.osImage, 'the version that was chosen');
    const boots = machine.boots.length;
    note(await untilKept(world, node, old.booted));

    step('drift');
    const degraded = await eventually(() => degradedOf(world, request.name), {
      timeoutMs: 60_000,
      what: 'the request shows the drift',
    });
    strictEqual(degraded.reason, 'Drifted');
    note(`request: Degraded, ${degraded.reason}: ${degraded.message}`);

    step('another restart');
    await restart(node);
    const again = await node.untilReady({ notBootId: view.bootId });
    strictEqual(again.osImage, old.view.osImage, 'it lasts');
    await untilAtPeace(node, old.booted);
    strictEqual(machine.boots.length, boots + 1, 'nobody else restarted it');
    const progress = await request.progress();
    strictEqual(progress?.status?.phase, 'Completed');
    strictEqual(JSON.stringify(progress.spec), plan, 'no plan fights it');
    await request.remove();
  },
};

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

async function degradedOf(world: World, name: string): Promise<Condition | undefined> {
  const path = `/apis/monok8s.io/v1alpha1/osupgrades/${name}`;
  const { status } = await world.api.call<{ status?: { conditions?: Condition[] } }>('GET', path);
  return status?.conditions?.find(({ type, status }) => type === 'Degraded' && status === 'True');
}
