import { match, ok, strictEqual } from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checksumOf } from '../../env/images.ts';
import { runProgram } from '../../env/node/run-program.ts';
import { cached } from '../cache.ts';
import type { MachineNode } from '../machine-node.ts';
import { applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion } from '../versions.ts';
import { countsOf, tryBroken, untilFallenBack, withoutHint } from './broken.ts';
import type { MachineCase } from './case.ts';
import { lookBefore, untilAtPeace } from './steps.ts';

const REASON = /^TrialBootFailed$/;
const expected = 'RolledBack by itself, the old system runs';

/** What GRUB cannot load although the agent found all in its place, or what the agent finds. */
export const BOOT_LATE: readonly MachineCase[] = [
  {
    ...{ id: 'boot/kernel-missing', title: 'its kernel is lost after the slot was verified', expected },
    run: async context => {
      const { world, step } = context;
      const trial = await tryBroken(context, {});
      const { node, request, before } = trial;
      const pause = (paused: boolean): Promise<unknown> =>
        world.cluster.kubectl([
          ...['patch', 'osupgrade', request.name, '--type=merge'],
          `--patch=${JSON.stringify({ spec: { paused } })}`,
        ]);
      await request.until(['Downloading', 'Installing', 'Staged']);
      await pause(true);
      step('waiting for the slot to be staged');
      await request.until(['Staged']);
      await loseKernel(node, before.booted === 'A' ? 3 : 2);
      const since = countsOf(node);
      await pause(false);
      const shows = /error: file `\/boot\/vmlinuz' not found/;
      await untilFallenBack(context, trial, { reason: REASON, shows, boots: 1 }, since);
    },
  },
  {
    ...{ id: 'boot/file-system-unreadable', title: 'GRUB cannot read its file system', expected },
    run: async context => {
      const node = await context.node({ firmware: 'uefi' });
      const before = await lookBefore(node);
      const version = nextVersion(before.view.osImage);
      const file = context.world.serve(await systemForNewerGrub(version));
      const request = await applyOSUpgrade(context.world, { nodeName: node.name, version, file });
      const shows = /error: (no such device|unknown filesystem)/;
      await untilFallenBack(context, { node, request, before }, { reason: REASON, shows, boots: 1 });
    },
  },
  {
    ...{ id: 'boot/image-without-kernel', title: 'the image has no kernel' },
    expected: 'Failed before the boot entry is touched',
    run: async context => {
      const { node, request, before } = await tryBroken(context, { files: { 'boot/vmlinuz': null } });
      const { failureReason, message } = await request.until(['Failed']);
      strictEqual(failureReason, 'BootFilesMissing');
      match(message ?? '', /boot\/vmlinuz/);
      strictEqual((await node.view()).bootId, before.view.bootId, 'it was not rebooted');
      await untilAtPeace(node, before.booted);
      context.note(`${failureReason}: ${withoutHint(message)}`);
      await request.remove();
    },
  },
];

/** As a medium does that goes bad: the superblock, by which the agent knows a slot again, stays. */
async function loseKernel({ machine }: MachineNode, partition: number): Promise<void> {
  const device = `/dev/vda${partition}`;
  const { code, output } = await machine.run(
    [
      `dd if=${device} of=/run/superblock bs=1024 skip=1 count=1`,
      `debugfs -w -R 'unlink /boot/vmlinuz' ${device}`,
      `dd if=/run/superblock of=${device} bs=1024 seek=1 conv=notrunc,fsync`,
    ].join(' && '),
  );
  ok(code === 0, output);
}

/** A system whose file system has a feature that Linux knows and GRUB 2.06 does not. */
async function systemForNewerGrub(version: string): ReturnType<typeof rawSystem> {
  const usual = await rawSystem({ version });
  const dir = await cached(`newer-ext4-${version}`, [usual.checksum], async work => {
    const path = join(work, 'system');
    await runProgram('cp', '--sparse=always', usual.path, path);
    await runProgram('tune2fs', '-O', 'ea_inode', path);
    await runProgram('zstd', '-1', '-q', '-T2', path);
  });
  const path = join(dir, 'system');
  const [checksum, zstChecksum] = [await checksumOf(path), await checksumOf(`${path}.zst`)];
  return { path, zstPath: `${path}.zst`, checksum, zstChecksum, sizeBytes: (await stat(path)).size };
}
