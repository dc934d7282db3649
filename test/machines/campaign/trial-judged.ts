import { earlyUnit } from '../tree/units.ts';
import { UNHEALTHY_FILE } from '../world.ts';
import { fallsBack } from './broken.ts';
import type { MachineCase } from './case.ts';
import { ACTED } from './trial-guarded.ts';

const expected = 'RolledBack by the agent in the new system';
const FELL_BACK = /reboot: Restarting system|systemd-shutdown/;

/** Puts another os-release over the one that was verified on the disk. */
const OTHER_VERSION = {
  'usr/lib/os-release.other':
    'NAME="KubeOS"\nID="kubeos"\nVERSION_ID="v1.35.99"\nPRETTY_NAME="KubeOS 1.35.99"\n',
  ...earlyUnit('other-version', {
    service: { ExecStart: '/bin/mount --bind /usr/lib/os-release.other /usr/lib/os-release' },
  }),
};
/** Shows on the console which processes are left when systemd has killed all that it kills. */
const LAST_PROCESSES = {
  path: 'usr/lib/systemd/system-shutdown/show-processes',
  text: `#!/bin/sh
for process in /proc/[0-9]*; do
  words=$(tr '\\0' ' ' <"$process/cmdline")
  [ -n "$words" ] && echo "still there: $words" >/dev/console
done
`,
};

/** Systems in which the agent runs, and finds that they are not well. */
export const TRIAL_JUDGED: readonly MachineCase[] = [
  {
    ...{ id: 'trial/version-is-another', title: 'it comes up as another version than it was', expected },
    run: async context => {
      const { path, text } = LAST_PROCESSES;
      const flaw = { files: { ...OTHER_VERSION, [path]: text }, executable: [path] };
      const shows = /still there: @\S*sh .*twinslot-trial-guard/;
      await fallsBack(context, flaw, { reason: /^TrialVersionMismatch$/, shows, says: /1\.35\.99/ });
      context.note("the guard's process outlives all others in the shutdown");
    },
  },
  {
    ...{ id: 'trial/health-command-fails', title: 'its health command fails', expected },
    run: context =>
      fallsBack(
        context,
        { files: { [UNHEALTHY_FILE]: '' } },
        { reason: /^TrialUnhealthy$/, shows: FELL_BACK, says: /health command.*exit code 1/ },
      ).then(() => undefined),
  },
  {
    ...{ id: 'trial/boot-partition-missing', title: 'it does not mount the boot partition' },
    expected,
    run: context =>
      fallsBack(
        context,
        { files: { 'etc/systemd/system/local-fs.target.requires/boot-partition.service': null } },
        { reason: /./, shows: FELL_BACK },
      ).then(() => undefined),
  },
  {
    ...{
      id: 'trial/hangs-in-shutdown',
      title: 'it is not healthy, and hangs when it is to reboot',
    },
    expected: 'RolledBack by the agent; the guard forces the reboot',
    run: async context => {
      const hang = earlyUnit('hang-at-the-end', {
        unit: { Conflicts: 'shutdown.target', Before: 'sysinit.target shutdown.target' },
        service: { ExecStart: '/bin/true', ExecStop: '/bin/sleep infinity', TimeoutStopSec: 'infinity' },
      });
      await fallsBack(
        context,
        { files: { ...OTHER_VERSION, ...hang } },
        { reason: /^TrialVersionMismatch$/, shows: ACTED },
      );
    },
  },
];
