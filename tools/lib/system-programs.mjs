// The programs of the operating system that the tests and the demo call.
import { existsSync } from 'node:fs';
import { findProgram } from './paths.mjs';
import { runStep } from './steps.mjs';

// The emulated machines are x86 ones; some of these packages are not to be had elsewhere.
const HAS_MACHINES = process.arch === 'x64';

/** What the emulated machines are made of and run with. */
const MACHINE_PACKAGES = {
  'qemu-system-x86_64': 'qemu-system-x86',
  'qemu-img': 'qemu-utils',
  debootstrap: 'debootstrap',
  'grub-mkimage': 'grub-common',
  sfdisk: 'fdisk',
  'mkfs.vfat': 'dosfstools',
  mcopy: 'mtools',
  containerd: 'containerd',
  ctr: 'containerd',
  ip: 'iproute2',
  // A board with U-Boot, which is built for it.
  'qemu-system-aarch64': 'qemu-system-arm',
  'aarch64-linux-gnu-gcc': 'gcc-aarch64-linux-gnu',
  gcc: 'gcc',
  make: 'make',
  bison: 'bison',
  flex: 'flex',
};

/** File → package, where a package has no program. */
const MACHINE_FILES = {
  '/usr/lib/grub/i386-pc/boot.img': 'grub-pc-bin',
  '/usr/lib/grub/x86_64-efi/normal.mod': 'grub-efi-amd64-bin',
  '/usr/share/OVMF/OVMF_CODE_4M.fd': 'ovmf',
  '/usr/include/stdio.h': 'libc6-dev',
  '/usr/include/openssl/evp.h': 'libssl-dev',
  '/usr/share/keyrings/debian-archive-keyring.gpg': 'debian-archive-keyring',
};

/** Program → the Debian and Ubuntu package that has it. */
const PACKAGES = {
  zstd: 'zstd',
  debugfs: 'e2fsprogs',
  'mkfs.ext4': 'e2fsprogs',
  'grub-editenv': 'grub-common',
  curl: 'curl',
  openssl: 'openssl',
  setpriv: 'util-linux',
  flock: 'util-linux',
  gzip: 'gzip',
  xz: 'xz-utils',
  setfattr: 'attr',
  setcap: 'libcap2-bin',
  'docker-registry': 'docker-registry',
  skopeo: 'skopeo',
  umoci: 'umoci',
  rsyslogd: 'rsyslog',
  logger: 'bsdutils',
  script: 'bsdutils',
  ncat: 'ncat',
  pv: 'pv',
  nsenter: 'util-linux',
  fw_setenv: 'libubootenv-tool',
  dash: 'dash',
  busybox: 'busybox-static',
  'systemd-analyze': 'systemd',
  ...(HAS_MACHINES ? MACHINE_PACKAGES : {}),
};

const FILES = HAS_MACHINES ? MACHINE_FILES : {};

/** Names of the programs that have to be there. */
export const SYSTEM_PROGRAMS = Object.keys(PACKAGES);

/** @returns {string[]} names of packages */
const missingPackages = () => [
  ...new Set(
    [
      ...Object.entries(PACKAGES).filter(([program]) => findProgram(program) === undefined),
      ...Object.entries(FILES).filter(([path]) => !existsSync(path)),
    ].map(([, name]) => name),
  ),
];

const canInstall = () => process.getuid?.() === 0 && findProgram('apt-get') !== undefined;

/** Names of the programs, and paths of the files, that this machine lacks. */
export const missingSystemPrograms = () => [
  ...SYSTEM_PROGRAMS.filter(program => findProgram(program) === undefined),
  ...Object.keys(FILES).filter(path => !existsSync(path)),
];

/** What a person has to install first, as we may not. */
export function systemProblems() {
  const [packages, programs] = [missingPackages(), missingSystemPrograms()];
  if (packages.length === 0 || canInstall()) return [];
  const command = `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  return [`missing programs: ${programs.join(', ')}. On Debian and Ubuntu: ${command}`];
}

/** Installs what is missing with apt-get. Only root comes here with something missing. */
export async function installSystemPrograms() {
  const packages = missingPackages();
  if (packages.length === 0) return;
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const wayOut = 'look at /etc/apt/sources.list and the network, then try again';
  await runStep('updating the list of packages', ['apt-get', 'update'], { env, wayOut });
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...packages];
  await runStep(`installing ${packages.join(', ')} with apt-get`, install, { env, wayOut });
}
