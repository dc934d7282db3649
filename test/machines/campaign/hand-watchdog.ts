import { strictEqual } from 'node:assert/strict';
import { FIRST_VERSION } from '../versions.ts';
import { countsOf, tryBroken, untilFallenBack } from './broken.ts';
import type { MachineCase } from './case.ts';

const SECONDS = 45;
/** What docs/agent.md has a system bring along. */
const FEEDS = {
  'etc/systemd/system.conf.d/watchdog.conf': '[Manager]\nRuntimeWatchdogSec=30\nRebootWatchdogSec=2min\n',
};
const HANGS = '#!/bin/sh\necho "init: hangs" >/dev/console\nwhile :; do sleep 60; done\n';

/** A machine whose watchdog is armed by its initramfs. */
export const HANGS_WATCHDOG: MachineCase = {
  id: 'boot/hangs-watchdog',
  title: `it hangs before a service is started; its initramfs has armed a hardware watchdog (i6300esb, ${SECONDS} s)`,
  expected: 'the watchdog resets the machine, RolledBack by itself, the old system runs',
  run: async context => {
    const trial = await tryBroken(
      context,
      { files: { 'sbin/init': HANGS }, executable: ['sbin/init'] },
      {
        firmware: 'uefi',
        system: { version: FIRST_VERSION, files: FEEDS },
        kernelArgs: [`twinslot.watchdog=${SECONDS}`],
        hardware: { devices: ['i6300esb'] },
      },
    );
    const { machine } = trial.node;
    const since = countsOf(trial.node);
    await untilFallenBack(
      context,
      trial,
      {
        shows:
          /the watchdog resets this machine in 45 s[\s\S]*init: hangs[\s\S]*the watchdog resets this machine/,
        reason: /^TrialBootFailed$/,
      },
      since,
    );
    // The run before was the old system's, which armed the trial; the next is the trial's.
    const ends = machine.boots.slice(since.boots - 1).map(({ end }) => end ?? 'runs');
    strictEqual(ends.join(', '), 'reset, watchdog, runs', 'how each run ended');
    context.note(`runs of the machine ended: ${ends.join(', ')}`);
  },
};
