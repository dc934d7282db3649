import { ok, strictEqual } from 'node:assert/strict';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import { applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { World } from '../world.ts';
import type { MachineCase } from './case.ts';
import { screenOnPage, untilScreen } from './hand-page.ts';
import { lookBefore, untilAtPeace, untilUpgraded } from './steps.ts';

/** A node at whose menu a person has the time to choose, as KubeOS's is. */
export const HAND_NODE = { firmware: 'uefi', menuTimeout: 10 } as const;
const UP = '\u001b[A';

/** The boot menu, on the serial line. */
export const HAND_MENU: MachineCase = {
  id: 'hand/boot-menu',
  title: 'after an upgrade a person restarts the node and selects the other boot entry',
  expected: 'the old version runs and is kept, with an Event; no plan fights it',
  run: async ({ node: take, world, note, step }) => {
    const node = await take(HAND_NODE);
    const { machine } = node;
    const old = await lookBefore(node);
    const version = nextVersion(old.view.osImage);
    const file = world.serve(await rawSystem({ version }));
    const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
    await untilUpgraded(node, request, { before: old, osImage: osImageOf(version) });
    const upgraded = await lookBefore(node);
    const plan = JSON.stringify((await request.progress())?.spec);

    step('at the menu');
    const mark = await restart(node);
    await untilScreen(machine.console, screenOnPage("GRUB's menu", 'GNU GRUB'), mark);
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
    const progress = await request.progress();
    strictEqual(progress?.status?.phase, 'Completed');
    strictEqual(JSON.stringify(progress.spec), plan, 'no plan fights it');

    step('another restart');
    await restart(node);
    const again = await node.untilReady({ notBootId: view.bootId });
    strictEqual(again.osImage, old.view.osImage, 'it lasts');
    await untilAtPeace(node, old.booted);
    strictEqual(machine.boots.length, boots + 1, 'nobody else restarted it');
    await request.remove();
  },
};

const DOWN = '\u001b[B';

/** Has the system restart its machine. @returns where the console's text of the next boot begins */
export async function restart({ machine }: MachineNode): Promise<number> {
  const count = machine.boots.length + 1;
  await machine.run('systemctl --no-block reboot');
  await machine.untilBoot(count);
  return machine.boots.at(-1)?.mark ?? 0;
}

/** Waits until the agent has made the slot that a person booted the default. @returns what the Event says */
export async function untilKept(world: World, node: MachineNode, slot: 'A' | 'B'): Promise<string> {
  const message = `slot ${slot} `;
  const event = await eventually(
    async () => (await eventsOf(world, node.name)).find(event => event.message.startsWith(message)),
    { timeoutMs: 120_000, what: `${node.name} has the Event ManualBootKept about slot ${slot}` },
  );
  ok(event.type === 'Normal');
  await untilAtPeace(node, slot);
  return `${event.reason}: ${event.message}`;
}

interface EventList {
  readonly items: readonly { readonly type: string; readonly reason: string; readonly message: string }[];
}

async function eventsOf(world: World, nodeName: string): Promise<EventList['items']> {
  const fields = `involvedObject.name=${nodeName},reason=ManualBootKept`;
  const path = `/api/v1/events?fieldSelector=${encodeURIComponent(fields)}`;
  return (await world.api.call<EventList>('GET', path)).items;
}

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
