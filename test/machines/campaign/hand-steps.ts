import { strictEqual } from 'node:assert/strict';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import { applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { World } from '../world.ts';
import type { CaseContext } from './case.ts';
import { screenOnPage, untilScreen } from './hand-page.ts';
import { type Before, lookBefore, untilAtPeace, untilUpgraded } from './steps.ts';

/** A node at whose menu a person has the time to choose, as KubeOS's is. */
const HAND_NODE = { firmware: 'uefi', menuTimeout: 10 } as const;

/** A node that is well, and has another system in its other slot. */
export interface TwoSystems extends Before {
  readonly node: MachineNode;
  /** The slot that does not run. */
  readonly other: 'A' | 'B';
  /** `osImage` of what lies there. */
  readonly otherImage: string;
}

/** Takes a node; where its other slot is still empty, it is upgraded first. */
export async function takeWithTwoSystems({ node: take, world }: CaseContext): Promise<TwoSystems> {
  const node = await take(HAND_NODE);
  const before = await lookBefore(node);
  const other = otherOf(before.booted);
  const { output } = await node.machine.run(
    `mount -o ro LABEL=ROOT-${other} /mnt && . /mnt/etc/os-release && umount /mnt && echo "$PRETTY_NAME"`,
  );
  if (/^KubeOS \S+$/.test(output)) return { ...before, node, other, otherImage: output };
  const version = nextVersion(before.view.osImage);
  const file = world.serve(await rawSystem({ version }));
  const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
  await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
  await request.remove();
  return { ...(await lookBefore(node)), node, other: before.booted, otherImage: before.view.osImage };
}

/** A node without anything but what it was installed with, or what an earlier case left. */
export const takeByHand = ({ node: take }: CaseContext): Promise<MachineNode> => take(HAND_NODE);

export const otherOf = (slot: 'A' | 'B'): 'A' | 'B' => (slot === 'A' ? 'B' : 'A');

/** Has the system restart its machine. @returns where the console's text of the next boot begins */
export async function restart({ machine }: MachineNode): Promise<number> {
  const count = machine.boots.length + 1;
  await machine.run('systemctl --no-block reboot');
  await machine.untilBoot(count);
  return machine.boots.at(-1)?.mark ?? 0;
}

/** Waits at the menu of a boot, as the page shows it, and stops its count. */
export async function untilMenu({ machine }: MachineNode, mark: number): Promise<void> {
  await machine.console.untilSeen(/GNU GRUB[\s\S]*executed automatically/, { from: mark });
  await untilScreen(machine.console, screenOnPage("GRUB's menu", 'GNU GRUB'), mark);
}

/** Waits until the agent has made the slot that a person booted the default. @returns what the Event says */
export async function untilKept(world: World, node: MachineNode, slot: 'A' | 'B'): Promise<string> {
  const { view } = await lookBefore(node);
  const event = await eventually(
    async () => (await eventsOf(world, node.name)).find(({ message }) => message.startsWith(`slot ${slot} `)),
    { timeoutMs: 120_000, what: `${node.name} has the Event ManualBootKept about slot ${slot}` },
  );
  strictEqual(event.type, 'Normal');
  await untilAtPeace(node, slot);
  return `${view.osImage}: ${event.reason}: ${event.message}`;
}

interface EventList {
  readonly items: readonly { readonly type: string; readonly reason: string; readonly message: string }[];
}

/** Of the node, about choices that were kept; {@link forgetEvents} takes those of earlier cases away. */
async function eventsOf(world: World, nodeName: string): Promise<EventList['items']> {
  const fields = encodeURIComponent(`involvedObject.name=${nodeName},reason=ManualBootKept`);
  return (await world.api.call<EventList>('GET', `/api/v1/events?fieldSelector=${fields}`)).items;
}

/** Deletes the Events of earlier choices. */
export async function forgetEvents(world: World, node: MachineNode): Promise<void> {
  const fields = `involvedObject.name=${node.name},reason=ManualBootKept`;
  await world.cluster.kubectl(['delete', 'events', '--all-namespaces', `--field-selector=${fields}`]);
}

/** Types a line at the console's shell, and holds it to the exit code `wanted`; does not wait for the machine's end. */
export async function typeToShell({ machine }: MachineNode, line: string, wanted = 0): Promise<void> {
  const mark = machine.console.mark;
  if (/^(poweroff|reboot)$/.test(line)) return machine.console.type(`${line}\r`);
  machine.console.type(`${line}; echo "ended with $?"\r`);
  const [, code, rest] = await machine.console.untilSeen(/\nended with (\d+)\n([\s\S]*# )$/, { from: mark });
  strictEqual(Number(code), wanted, `${line} ended so:\n${machine.console.text.slice(mark)}${rest ?? ''}`);
}
