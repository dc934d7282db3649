import { strictEqual } from 'node:assert/strict';
import { tearJournal } from '../disk/torn-journal.ts';
import type { MachineCase } from './case.ts';
import { screenOnPage, typedOnPage, untilScreen } from './hand-page.ts';
import { typeToShell } from './hand-steps.ts';
import { lookBefore, untilAtPeace } from './steps.ts';

const HEADING = 'A file system that is not mounted';
/** What `e2fsck -p` ends with when it has repaired something. */
const CORRECTED = 1;

/** What both slots share is not mounted. */
export const HAND_EMERGENCY: MachineCase = {
  id: 'hand/torn-journal',
  title:
    'a power cut tears the journal of what both slots share, on a node that does not check it before it mounts it',
  expected: 'emergency mode; repaired by a person, the node serves again',
  run: async ({ node: take, note, step }) => {
    const node = await take({ firmware: 'uefi', isPrivate: true, kernelArgs: ['fsck.mode=skip'] });
    const { machine, disk } = node;
    const { view, booted } = await lookBefore(node);
    await machine.run('touch /var/lib/written && sync');
    await machine.cutPower();
    await tearJournal(disk, 'persist');

    step('in emergency mode');
    await machine.powerOn();
    const mark = machine.boots.at(-1)?.mark ?? 0;
    await untilScreen(machine.console, screenOnPage(HEADING, 'error loading journal'), mark);
    await machine.console.untilSeen(/Press Enter for maintenance/, { from: mark });
    machine.console.type('\r');
    await machine.console.untilSeen(/# $/, { from: mark });
    for (const line of typedOnPage(HEADING, '# '))
      await typeToShell(node, line, line.startsWith('e2fsck') ? CORRECTED : 0);

    step('after the repair');
    const last = await node.untilReady({ notBootId: view.bootId });
    strictEqual(last.osImage, view.osImage);
    await node.untilAgentRuns();
    await untilAtPeace(node, booted);
    note(`${last.osImage} serves again`);
  },
};
