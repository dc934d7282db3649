import { strictEqual } from 'node:assert/strict';
import type { MachineNode } from '../machine-node.ts';
import type { MachineCase } from './case.ts';
import { typedOnPage } from './hand-page.ts';
import { forgetEvents, restart, takeWithTwoSystems, untilKept, untilMenu } from './hand-steps.ts';
import { untilAtPeace } from './steps.ts';

const PROMPT = 'grub> ';
const HEADING = "GRUB's prompt";

/** GRUB's prompt, on the serial line. */
export const HAND_PROMPT: MachineCase = {
  id: 'hand/grub-prompt',
  title: "a person boots the other slot at GRUB's prompt, and makes the first one the default there again",
  expected: 'what was booted is kept, with an Event; what was made the default is booted',
  run: async context => {
    const { world, note, step } = context;
    const { node, view, booted, other, otherImage } = await takeWithTwoSystems(context);
    await forgetEvents(world, node);
    const lines = typedOnPage(HEADING, PROMPT);
    const bootAt = lines.indexOf('boot');

    step('booting by hand');
    await atPrompt(node);
    await typeLines(node, lines.slice(0, bootAt + 1), other);
    const chosen = await node.untilReady({ notBootId: view.bootId });
    strictEqual(chosen.osImage, otherImage, 'the slot that was booted');
    note(await untilKept(world, node, other));

    step('setting the default');
    await atPrompt(node);
    await typeLines(node, lines.slice(bootAt + 1), booted);
    const last = await node.untilReady({ notBootId: chosen.bootId });
    strictEqual(last.osImage, view.osImage, 'the slot that was made the default');
    await untilAtPeace(node, booted);
    note(`saved_entry=${booted} from the prompt: ${last.osImage}`);
  },
};

async function atPrompt(node: MachineNode): Promise<void> {
  const mark = await restart(node);
  await untilMenu(node, mark);
  node.machine.console.type('c');
  await node.machine.console.untilSeen(/grub> $/, { from: mark });
}

/** Types lines that the page has for slot A, each when the one before was answered. */
async function typeLines({ machine }: MachineNode, lines: readonly string[], slot: 'A' | 'B'): Promise<void> {
  for (const line of lines) {
    const mark = machine.console.mark;
    machine.console.type(`${forSlot(line, slot)}\r`);
    if (!/^(boot|reboot)$/.test(line)) await machine.console.untilSeen(/\ngrub> $/, { from: mark });
  }
}

/** The page shows how slot A is booted. */
export const forSlot = (line: string, slot: 'A' | 'B'): string =>
  line.replaceAll('ROOT-A', `ROOT-${slot}`).replaceAll('saved_entry=A', `saved_entry=${slot}`);
