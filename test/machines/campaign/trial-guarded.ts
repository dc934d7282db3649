import { match } from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../../../tools/lib/paths.mjs';
import { systemTree } from '../tree/system-tree.ts';
import { earlyUnit } from '../tree/units.ts';
import { TRIAL_SECONDS } from '../world.ts';
import { type BrokenEnd, type Flaw, fallsBack } from './broken.ts';
import type { CaseContext, MachineCase } from './case.ts';

/** Seconds after the start at which a slot's guard acts here. */
export const GUARD_SECONDS = TRIAL_SECONDS + 120;

const VAR_MOUNT = join(ROOT, 'test/machines/tree/files/etc/systemd/system/var.mount');
const expected = 'RolledBack by the guard in the slot, with what it saw';
/** The guard's last words on the console. */
export const ACTED = new RegExp(
  `twinslot-trial-guard: slot B was not made the default within ${GUARD_SECONDS} s`,
);

/** Lets a node try a system whose trial the guard ends, and looks for the guard's words in the object. */
export async function isEndedByGuard(
  context: CaseContext,
  flaw: Flaw,
  end: Partial<BrokenEnd> = {},
): Promise<void> {
  const status = await fallsBack(context, flaw, { reason: /^TrialNotConfirmed$/, shows: ACTED, ...end });
  match(status.message ?? '', /guard/);
}

/** A case of which most is waiting for the guard. */
export const guarded = (id: string, title: string, run: MachineCase['run']): MachineCase => ({
  ...{ id: `trial/${id}`, title, expected, run },
});

/** Systems in which our agent never starts: only the guard in the slot ends their trial. */
export const TRIAL_GUARDED: readonly MachineCase[] = [
  guarded('kubelet-never-starts', 'its kubelet never starts', context =>
    isEndedByGuard(context, { files: { 'usr/bin/kubelet': null } }, { says: /kubelet/ }),
  ),
  guarded('network-missing', 'it has no network', context =>
    isEndedByGuard(context, { files: { 'etc/systemd/network/10-node.network': null } }, { says: /network/ }),
  ),
  guarded('emergency-mode', 'the mount of /var fails: emergency mode', async context => {
    const unit = await readFile(VAR_MOUNT, 'utf8');
    // A folder that is not there would be made by systemd; a file cannot be mounted on a folder.
    const files = { 'etc/systemd/system/var.mount': unit.replace('/persist/var', '/etc/hostname') };
    // Its words come to PERSIST although nothing is at /var.
    await isEndedByGuard(context, { files }, { says: /emergency or rescue mode.*var\.mount/ });
  }),
  guarded('hangs-early', 'it hangs before anything is mounted', context => {
    const first = { Before: 'sysinit.target local-fs.target persist.mount boot-partition.service' };
    const files = earlyUnit('hang', {
      target: 'local-fs.target',
      unit: first,
      service: { ExecStart: '/bin/sleep infinity' },
    });
    return isEndedByGuard(context, { files }, { says: /its start waited for .*hang\.service/ });
  }),
  guarded('vfat-missing', 'it has no driver for the file system of the boot partition', async context => {
    const [release = ''] = await readdir(join(await systemTree(), 'usr/lib/modules'));
    const files = { [`usr/lib/modules/${release}/kernel/fs/fat`]: null };
    await isEndedByGuard(context, { files }, { says: /boot-partition\.service/ });
  }),
  ...[
    { year: 2020, what: 'behind' },
    { year: 2040, what: 'ahead' },
  ].map(({ year, what }) =>
    guarded(`clock-is-${what}`, `its clock says ${year}`, context => {
      const files = earlyUnit('wrong-clock', { service: { ExecStart: `/bin/date -s ${year}-01-01` } });
      return isEndedByGuard(context, { files }, { says: new RegExp(`clock said ${year}-01-01T`) });
    }),
  ),
];
