import { match, ok, strictEqual } from 'node:assert/strict';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import { applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { unitText } from '../tree/units.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import { countsOf, tryBroken, untilFallenBack } from './broken.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { lookBefore, untilUpgraded } from './steps.ts';
import { GUARD_SECONDS } from './trial-guarded.ts';

const GUARD = 'twinslot-trial-guard.service';
/** Its last attempt to reboot would come before this. */
const QUIET_SECONDS = GUARD_SECONDS + 30;
const PRIVATE = { firmware: 'uefi', isPrivate: true } as const;
const HANG = unitText({
  Unit: {
    DefaultDependencies: 'no',
    Before: 'local-fs.target sysinit.target persist.mount boot-partition.service',
  },
  Service: { Type: 'oneshot', ExecStart: '/bin/sleep infinity' },
});

/** What a guard must not do. */
export const TRIAL_INERT: readonly MachineCase[] = [
  {
    ...{
      id: 'trial/guard-is-inert',
      title: 'a confirmed system loses its agent and its kubelet',
    },
    expected: 'it runs on past the time of the trial',
    run: async context => {
      const node = await upgraded(context);
      const { machine } = node;
      await eventually(
        async () => {
          const { output } = await machine.run(`systemctl show -p ActiveState -p Result ${GUARD}`);
          match(output, /ActiveState=inactive/);
          match(output, /Result=success/);
          return true;
        },
        { timeoutMs: 120_000, everyMs: 5000, what: 'the guard has ended by itself' },
      );
      await machine.run(
        'systemctl stop kubelet; ctr -n k8s.io tasks ls -q | xargs -r kill -9; systemctl stop containerd',
      );
      await runsOn(context, node);
    },
  },
  {
    ...{ id: 'trial/guard-mounts-by-itself', title: 'a confirmed system hangs before anything is mounted' },
    expected: 'its guard mounts the boot partition, finds the slot is the default, and leaves it',
    run: async context => {
      const node = await upgraded(context);
      const { machine } = node;
      const { code, output } = await machine.run(
        [
          // Only what the boot loader says is left.
          'rm /var/lib/node-agent/default-slot.json',
          'mount -o remount,rw /',
          `cat >/usr/lib/systemd/system/hang.service <<'END'\n${HANG}END`,
          'mkdir -p /usr/lib/systemd/system/local-fs.target.requires',
          'ln -s ../hang.service /usr/lib/systemd/system/local-fs.target.requires/hang.service',
          'sync',
        ].join('\n'),
      );
      strictEqual(code, 0, output);
      const { boots } = countsOf(node);
      await machine.run('systemctl --force --force reboot', { timeoutMs: 5000 }).catch(() => undefined);
      await machine.untilBoot(boots + 1);
      await runsOn(context, node);
      const log = await machine.run('dmesg | grep twinslot-trial-guard; findmnt -no TARGET /boot/efi');
      match(log.output, /slot B is the default: nothing to do/);
      ok(!log.output.includes('/boot/efi'), 'nothing is mounted');
    },
  },
  {
    ...{ id: 'trial/guard-can-be-stopped', title: 'a person stops the guard to look around' },
    expected: 'the broken system runs on; RolledBack when the person reboots',
    run: async context => {
      const trial = await tryBroken(context, { files: { 'usr/bin/kubelet': null } });
      const { node } = trial;
      const since = countsOf(node);
      await node.machine.untilBoot(since.boots + 1, 400_000);
      const { code, output } = await node.machine.run(`systemctl stop ${GUARD}`, { timeoutMs: 120_000 });
      strictEqual(code, 0, output);
      await runsOn(context, node);
      await node.machine.run('systemctl reboot');
      await untilFallenBack(context, trial, { reason: /^TrialBootFailed$/, shows: /login:/ }, since);
    },
  },
];

/** A node of its own with a confirmed system in slot B. */
async function upgraded({ node: take, world }: CaseContext): Promise<MachineNode> {
  const node = await take(PRIVATE);
  const before = await lookBefore(node);
  const version = nextVersion(before.view.osImage);
  const file = world.serve(await rawSystem({ version }));
  const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
  await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
  return node;
}

/** Waits until a machine has run for longer than its guard would let it, without a reboot. */
async function runsOn({ step, note }: CaseContext, node: MachineNode): Promise<void> {
  const { machine } = node;
  const { boots } = countsOf(node);
  step('waiting for the time of the guard to pass');
  const uptime = await eventually(
    async () => {
      strictEqual(countsOf(node).boots, boots, 'it was not rebooted');
      const { output } = await machine.run('cut -d. -f1 /proc/uptime');
      return Number(output) > QUIET_SECONDS && Number(output);
    },
    { timeoutMs: QUIET_SECONDS * 2000, everyMs: 5000, what: `${node.name} runs for ${QUIET_SECONDS} s` },
  );
  strictEqual(countsOf(node).boots, boots, 'it was not rebooted');
  note(`ran for ${uptime} s, the guard's time being ${GUARD_SECONDS}`);
}
