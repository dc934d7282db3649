import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packNewc } from '../disk/newc.ts';
import { systemTree } from '../tree/system-tree.ts';
import { fallsBack } from './broken.ts';
import type { MachineCase } from './case.ts';

const REASON = /^TrialBootFailed$/;
const expected = 'RolledBack by itself, the old system runs';
const init = (...lines: string[]): { files: Record<string, string>; executable: string[] } => ({
  files: { 'sbin/init': ['#!/bin/sh', ...lines, ''].join('\n') },
  executable: ['sbin/init'],
});

/** New systems that never start a service: nothing of ours runs in them. */
export const BOOT: readonly MachineCase[] = [
  {
    ...{ id: 'boot/kernel-panics', title: 'the new kernel panics', expected },
    run: async context => {
      const flaw = init('echo c >/proc/sysrq-trigger');
      await fallsBack(context, flaw, { reason: REASON, shows: /Kernel panic.*sysrq triggered crash/ });
    },
  },
  {
    ...{ id: 'boot/no-root-found', title: 'its initramfs finds no root', expected },
    run: async context => {
      const files = { 'boot/initramfs.img': await blindInitramfs() };
      const shows = /initrd: there is no root file system PARTUUID[\s\S]*Kernel panic/;
      await fallsBack(context, { files }, { reason: REASON, shows });
    },
  },
  {
    ...{ id: 'boot/init-fails', title: 'its init ends', expected },
    run: async context => {
      const flaw = init('echo "init: I give up" >/dev/console', 'sleep 1', 'exit 1');
      await fallsBack(context, flaw, { reason: REASON, shows: /I give up[\s\S]*Attempted to kill init/ });
    },
  },
  {
    ...{ id: 'boot/kernel-unreadable', title: 'GRUB cannot load its kernel', expected },
    run: async context => {
      const files = { 'boot/vmlinuz': 'no kernel\n'.repeat(1000) };
      // GRUB takes the other entry in the same boot.
      await fallsBack(context, { files }, { reason: REASON, shows: /error: .*magic/, boots: 1 });
    },
  },
];

/** The usual initramfs, to which a second archive is added that takes the drivers of the disks from it. */
async function blindInitramfs(): Promise<Buffer> {
  const usual = await readFile(join(await systemTree(), 'boot/initramfs.img'));
  const none = { path: 'modules/disks', mode: 0o100644, content: new Uint8Array() };
  return Buffer.concat([usual, gzipSync(packNewc([none]))]);
}
