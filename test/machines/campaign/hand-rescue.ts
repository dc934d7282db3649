import { strictEqual } from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { runProgram } from '../../env/node/run-program.ts';
import { eventually } from '../../env/wait.ts';
import { removeSlotFile } from '../disk/offline.ts';
import type { MachineNode } from '../machine-node.ts';
import type { Hardware } from '../qemu/command-line.ts';
import { rawSystem } from '../tree/system.ts';
import { systemTree } from '../tree/system-tree.ts';
import type { MachineCase } from './case.ts';
import { screenOnPage, typedOnPage, untilScreen } from './hand-page.ts';
import { forSlot } from './hand-prompt.ts';
import { takeWithTwoSystems, typeToShell } from './hand-steps.ts';
import { untilAtPeace } from './steps.ts';

const HEADING = 'A rescue medium';
/** A Linux that mounts nothing of the machine that it runs on. */
const RESCUE_FILES = Object.fromEntries(
  [
    ...['boot-partition.service', 'etc.mount', 'persist.mount', 'var.mount'].map(
      unit => `local-fs.target.requires/${unit}`,
    ),
    ...['containerd', 'kubelet', 'systemd-networkd'].map(unit => `multi-user.target.wants/${unit}.service`),
    ...['sockets.target.wants/api-server.socket', 'sockets.target.wants/systemd-networkd.socket'],
  ].map(path => [`etc/systemd/system/${path}`, null]),
);

/** A medium that a person plugs in. */
export const HAND_RESCUE: MachineCase = {
  id: 'hand/rescue-medium',
  title: 'the default slot has lost its kernel; a person chooses the other one from a rescue medium',
  expected: 'the other slot runs, is the default, and serves',
  run: async context => {
    const { note, step } = context;
    const { node, view, booted, other, otherImage } = await takeWithTwoSystems(context);
    const { machine, disk } = node;
    await switchOff(node);
    await removeSlotFile(disk, booted, '/boot/vmlinuz');

    step('at the screen of a machine that does not come up');
    await machine.powerOn();
    await untilScreen(
      machine.console,
      screenOnPage("GRUB's menu", 'not found'),
      machine.boots.at(-1)?.mark ?? 0,
    );
    await machine.cutPower();

    step('on the rescue medium');
    await machine.powerOn(await rescueMedium(node));
    await logIn(node);
    for (const line of typedOnPage(HEADING, '# ')) await typeToShell(node, forSlot(line, other));
    await eventually(() => machine.boots.at(-1)?.end === 'power-off', {
      timeoutMs: 120_000,
      what: 'the rescue system is off',
    });

    step('without it');
    await machine.powerOn({ kernel: undefined, dataDisk: undefined });
    const last = await node.untilReady({ notBootId: view.bootId });
    strictEqual(last.osImage, otherImage, 'the system of the other slot');
    await node.untilAgentRuns();
    await untilAtPeace(node, other);
    note(`saved_entry=${other} from the rescue medium: ${last.osImage}`);
    const mended = await machine.run(
      `mount LABEL=ROOT-${booted} /mnt && cp /boot/vmlinuz /mnt/boot/vmlinuz; umount /mnt`,
    );
    strictEqual(mended.code, 0, mended.output);
  },
};

async function switchOff({ machine, name }: MachineNode): Promise<void> {
  await machine.run('systemctl --no-block poweroff');
  await eventually(() => !machine.isOn, { timeoutMs: 120_000, what: `${name} is off` });
}

async function rescueMedium({ disk }: MachineNode): Promise<Partial<Hardware>> {
  const { path } = await rawSystem({ version: 'v0.1.0', prettyName: 'Rescue system', files: RESCUE_FILES });
  const medium = join(dirname(disk.path), 'rescue.raw');
  await runProgram('cp', '--sparse=always', path, medium);
  await runProgram('tune2fs', '-L', 'RESCUE', medium);
  const boot = join(await systemTree(), 'boot');
  const [kernel, initrd] = [join(boot, 'vmlinuz'), join(boot, 'initramfs.img')];
  const commandLine = 'root=/dev/vdb rw console=ttyS0,115200 quiet';
  return { dataDisk: { path: medium }, kernel: { path: kernel, initrd, commandLine } };
}

async function logIn({ machine }: MachineNode): Promise<void> {
  const mark = machine.boots.at(-1)?.mark ?? 0;
  await machine.console.untilSeen(/ login: $/, { from: mark });
  machine.console.type('root\r');
  await machine.console.untilSeen(/# $/, { from: mark });
}
