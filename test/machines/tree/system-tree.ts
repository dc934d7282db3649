import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findControlPlane } from '../../../tools/lib/binaries.mjs';
import { ROOT } from '../../../tools/lib/paths.mjs';
import { runProgram } from '../../env/node/run-program.ts';
import { cached } from '../cache.ts';
import { makeInitrd } from '../disk/initrd.ts';
import { debianTree } from './debian-tree.ts';

const FILES = join(ROOT, 'test/machines/tree/files');
const INITRD_SOURCES = join(ROOT, 'test/machines/disk');
const ENABLED = [
  ...['persist.mount', 'etc.mount', 'var.mount', 'boot-partition.service', 'tmp.mount'],
  ...['systemd-networkd.service', 'api-server.socket', 'containerd.service', 'kubelet.service'],
  ...['test-shell.service', 'serial-getty@ttyS0.service'],
];
const MASKED = [
  ...[
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.timer',
    'e2scrub_all.timer',
    'fstrim.timer',
  ],
  ...[
    'proc-sys-fs-binfmt_misc.automount',
    'systemd-binfmt.service',
    'e2scrub_reap.service',
    'systemd-logind.service',
    'systemd-random-seed.service',
    'modprobe@loop.service',
    'getty@tty1.service',
    'systemd-pstore.service',
    'systemd-machine-id-commit.service',
  ],
  ...[
    'systemd-networkd-wait-online.service',
    'systemd-update-utmp.service',
    'systemd-update-utmp-runlevel.service',
  ],
];
const FOLDERS = ['persist', 'boot/efi', 'boot/grub2', 'opt/cni', 'host'];
const RECIPE = 3;

/**
 * The root file system of an emulated node without a version: Debian, containerd, kubelet, and KubeOS's arrangement of
 * mounts. Needs root.
 */
export async function systemTree(): Promise<string> {
  const debian = await debianTree();
  const kubelet = findControlPlane().kubelet;
  const inputs = [RECIPE, debian.dir, kubelet.version, ENABLED, MASKED, FOLDERS];
  const sources = [await hashOfFolder(FILES), await hashOfFolder(INITRD_SOURCES, /^initrd|modules|newc/)];
  return cached('system', [...inputs, ...sources], async dir => {
    await runProgram('cp', '-a', `${debian.dir}/.`, dir);
    await runProgram('cp', '-r', `${FILES}/.`, dir);
    await cp(kubelet.path, join(dir, 'usr/bin/kubelet'));
    for (const folder of FOLDERS) await mkdir(join(dir, folder), { recursive: true });
    await writeFile(join(dir, 'etc/machine-id'), `${createHash('md5').update('twinslot').digest('hex')}\n`);
    await writeFile(join(dir, 'etc/fstab'), '');
    await runProgram('chroot', dir, 'passwd', '-d', 'root');
    await runProgram('chroot', dir, 'systemctl', 'enable', ...ENABLED);
    await runProgram('chroot', dir, 'systemctl', 'mask', ...MASKED);
    await rm(join(dir, 'etc/mtab'), { force: true });
    await symlink('/proc/self/mounts', join(dir, 'etc/mtab'));
    await makeInitrd({
      modulesDir: debian.modulesDir,
      busybox: join(dir, 'bin/busybox'),
      out: join(dir, 'boot/initramfs.img'),
    });
  });
}

async function hashOfFolder(dir: string, names = /./): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter(entry => entry.isFile() && names.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name));
  for (const path of paths.sort()) hash.update(path).update(await readFile(path));
  return hash.digest('hex');
}
