import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../../env/node/run-program.ts';
import { cached } from '../cache.ts';

const SUITE = 'bookworm';
const KERNEL = 'linux-image-amd64';
const PACKAGES = words(`systemd systemd-sysv dbus udev kmod mount util-linux procps iproute2
  containerd runc containernetworking-plugins iptables conntrack ca-certificates
  e2fsprogs grub-common zstd ncat busybox-static`);
/** With what they depend on. Without file systems on disks of every kind, sound, or graphics. */
const MODULES = words(`virtio_pci virtio_blk virtio_scsi virtio_net virtio_rng sd_mod nvme ahci
  ext4 crc32c_generic crc32c_intel vfat nls_ascii nls_cp437 nls_utf8 overlay loop autofs4 efivarfs fuse configfs
  i6300esb iTCO_wdt softdog bridge veth br_netfilter tun dummy dm-mod efi_pstore
  iptable_nat iptable_filter xt_comment xt_conntrack xt_mark xt_MASQUERADE xt_multiport xt_nat xt_addrtype
  xt_statistic nf_nat nf_tables nft_compat nft_chain_nat nf_conntrack`);
/** Kinds of pod networks that no test has. */
const CNI = words('bandwidth dhcp firewall host-device ipvlan macvlan sbr static tuning vlan vrf').map(
  name => `usr/lib/cni/${name}`,
);
const NOT_NEEDED = words(`usr/share/doc usr/share/man usr/share/locale usr/share/info usr/share/lintian
  usr/share/zoneinfo usr/share/perl usr/share/bash-completion usr/lib/udev/hwdb.bin usr/lib/udev/hwdb.d
  usr/lib/x86_64-linux-gnu/gconv usr/bin/containerd-shim usr/bin/containerd-shim-runc-v1 usr/bin/containerd-stress
  usr/bin/perl usr/bin/perl5.36.0 usr/lib/x86_64-linux-gnu/perl-base
  ${CNI.join(' ')} var/cache/apt var/cache/debconf var/lib/apt/lists var/log`);
const RECIPE = 1;

/** A Debian system with a kernel in `boot/vmlinuz`, without version, units or Kubernetes of its own. */
export interface DebianTree {
  readonly dir: string;
  /** `lib/modules/<release>` of its kernel. */
  readonly modulesDir: string;
}

/** Makes it with debootstrap, in two minutes, or takes the one that was made earlier. Needs root. */
export async function debianTree(): Promise<DebianTree> {
  const dir = await cached('debian', [RECIPE, SUITE, KERNEL, PACKAGES, MODULES, NOT_NEEDED], make);
  const [release = ''] = await readdir(join(dir, 'usr/lib/modules'));
  return { dir, modulesDir: join(dir, 'usr/lib/modules', release) };
}

async function make(dir: string): Promise<void> {
  await runProgram('chmod', '755', dir);
  await runProgram('debootstrap', '--variant=minbase', `--include=${PACKAGES.join(',')}`, SUITE, dir);
  await addKernel(dir);
  for (const path of NOT_NEEDED) await rm(join(dir, path), { recursive: true, force: true });
  await mkdir(join(dir, 'var/log'));
}

/** Unpacked only: its installation would make an initrd, which takes longer than everything else here. */
async function addKernel(dir: string): Promise<void> {
  const chroot = (...args: string[]): Promise<string> => runProgram('chroot', dir, ...args);
  const work = join(dir, 'kernel');
  await mkdir(work);
  const depends = await chroot('apt-cache', 'depends', '--no-recommends', KERNEL);
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined) throw new Error(`${KERNEL} of ${SUITE} names no kernel: ${depends}`);
  await chroot('sh', '-c', 'cd /kernel && apt-get download -q -o APT::Sandbox::User=root "$0"', name);
  const [deb = ''] = await readdir(work);
  await runProgram('dpkg-deb', '-x', join(work, deb), join(work, 'unpacked'));
  const release = name.replace('linux-image-', '');
  const from = join(work, 'unpacked/lib/modules', release);
  await chroot('depmod', '-b', '/kernel/unpacked', release);
  await copyModules(from, join(dir, 'usr/lib/modules', release));
  await chroot('depmod', release);
  await cp(join(work, 'unpacked/boot', `vmlinuz-${release}`), join(dir, 'boot/vmlinuz'));
  await rm(work, { recursive: true });
}

async function copyModules(from: string, to: string): Promise<void> {
  const depends = new Map(
    (await readFile(join(from, 'modules.dep'), 'utf8'))
      .split('\n')
      .map(line => line.split(': ', 2))
      .map(([path = '', rest = '']) => [path.replace(/:$/, ''), rest.split(' ').filter(Boolean)] as const),
  );
  for (const path of depends.keys()) {
    const name = path.slice(path.lastIndexOf('/') + 1).replace(/\.ko$/, '');
    if (!MODULES.includes(name)) continue;
    for (const file of [path, ...(depends.get(path) ?? [])]) {
      if (!existsSync(join(to, file))) await cp(join(from, file), join(to, file), { recursive: true });
    }
  }
  for (const file of ['modules.order', 'modules.builtin', 'modules.builtin.modinfo'])
    await cp(join(from, file), join(to, file));
  await writeFile(join(to, 'README'), 'Only the modules that the emulated machines need.\n');
}

function words(text: string): string[] {
  return text.split(/\s+/);
}
