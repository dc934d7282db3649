import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
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
    'modprobe@dm_mod.service',
    'modprobe@fuse.service',
    'modprobe@configfs.service',
    'modprobe@efi_pstore.service',
    'modprobe@drm.service',
    'sys-kernel-debug.mount',
    'sys-kernel-tracing.mount',
    'sys-kernel-config.mount',
    'sys-fs-fuse-connections.mount',
    'dev-hugepages.mount',
    'systemd-network-generator.service',
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
/** They are the same in all systems and large: kept on PERSIST, an image is half as big, and every test as quick. */
const SHARED_PROGRAMS = [
  ...['usr/bin/kubelet', 'usr/bin/containerd', 'usr/bin/containerd-shim-runc-v2', 'usr/bin/ctr'],
  ...['usr/sbin/runc', 'usr/lib/cni'],
];
const SHARED_FOLDER = 'var/opt';
const FOLDERS = ['persist', 'boot/efi', 'boot/grub2', 'opt/cni', 'host', SHARED_FOLDER];
const RECIPE = 4;

/**
 * The root file system of an emulated node without a version: Debian, containerd, kubelet, and KubeOS's arrangement of
 * mounts. Its `/var` is that of PERSIST. Needs root.
 */
export async function systemTree(): Promise<string> {
  const debian = await debianTree();
  const kubelet = findControlPlane().kubelet;
  const inputs = [RECIPE, debian.dir, kubelet.version, ENABLED, MASKED, FOLDERS, SHARED_PROGRAMS];
  const sources = [await hashOfFolder(FILES), await hashOfFolder(INITRD_SOURCES, /^initrd|modules|newc/)];
  return cached('system', [...inputs, ...sources], async dir => {
    await runProgram('cp', '-a', `${debian.dir}/.`, dir);
    await runProgram('cp', '-r', `${FILES}/.`, dir);
    await cp(kubelet.path, join(dir, 'usr/bin/kubelet'));
    for (const folder of FOLDERS) await mkdir(join(dir, folder), { recursive: true });
    for (const path of SHARED_PROGRAMS) {
      const shared = join(SHARED_FOLDER, basename(path));
      await rename(join(dir, path), join(dir, shared));
      await symlink(`/${shared}`, join(dir, path));
    }
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
