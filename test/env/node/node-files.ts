import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buildImage, makeFileSystem } from '../images.ts';
import type { BootResult, Machine } from './firmware.ts';
import { GRUB_CONFIG, GRUB_ENVIRONMENT, grubConfigText } from './grub-config.ts';
import type { NodeSystem } from './node-objects.ts';
import { runProgram } from './run-program.ts';
import { parseAssignments } from './slot-file.ts';
import { installUBoot } from './uboot-node.ts';

const MIB = 1024 * 1024;

/** What lies on the disks of a new node. */
export interface DiskParameters {
  /** Version of the system in slot A, which runs. */
  readonly version: string;
  /** Version of the system in slot B; an empty file system if absent, as after the installation. */
  readonly secondVersion?: string;
  /** Size of each slot. Default 32. */
  readonly slotMiB?: number;
  /** Expanded size of the installed systems, and how much of it does not compress. Default: the image's. */
  readonly sizeMiB?: number;
  readonly fillMiB?: number;
  /** What the installed systems call themselves: their PRETTY_NAME is this and the version. Default `Demo OS`. */
  readonly systemName?: string;
  /** Default `grub`. */
  readonly bootLoader?: 'grub' | 'u-boot';
}

/** Where the parts of a node lie. `root` is the host's root directory as its agent sees it. */
export interface NodeFiles extends Machine {
  readonly root: string;
  readonly slots: Readonly<Record<'A' | 'B', string>>;
}

/** The slots as the node itself names them. */
export const SLOT_PATHS = { A: '/slots/a.img', B: '/slots/b.img' } as const;

/** Says where the files of the node in `dir` are, whether they were made already or not. */
export function locateNodeFiles(dir: string): NodeFiles {
  const root = join(dir, 'root');
  return {
    root,
    slots: { A: join(root, SLOT_PATHS.A), B: join(root, SLOT_PATHS.B) },
    grubEnvironment: join(root, GRUB_ENVIRONMENT),
    grubConfig: join(root, GRUB_CONFIG),
    bootLog: join(dir, 'boot.log'),
  };
}

/** Installs a node: two slots, GRUB's files, and the folders that the systems of both slots share. */
export async function installNode(dir: string, disk: DiskParameters): Promise<NodeFiles> {
  const files = locateNodeFiles(dir);
  for (const folder of ['etc/KubeOS/certs', 'proc/sys/kernel/random', 'slots', 'var/lib/node-agent']) {
    await mkdir(join(files.root, folder), { recursive: true });
  }
  await mkdir(dirname(files.grubConfig), { recursive: true });
  await writeFile(files.grubConfig, grubConfigText());
  await runProgram('grub-editenv', files.grubEnvironment, 'create');
  await runProgram('grub-editenv', files.grubEnvironment, 'set', 'saved_entry=A');
  const uBootConfig = join(dir, 'fw_env.config');
  if (disk.bootLoader === 'u-boot') await installUBoot({ root: files.root, uBootConfig });
  const sizeMiB = disk.slotMiB ?? 32;
  await installSlot(files.slots.A, 'ROOT-A', disk.version, { ...disk, slotMiB: sizeMiB });
  if (disk.secondVersion === undefined) {
    await makeFileSystem(files.slots.B, { sizeMiB, label: 'ROOT-B' });
  } else {
    await installSlot(files.slots.B, 'ROOT-B', disk.secondVersion, { ...disk, slotMiB: sizeMiB });
  }
  return { ...files, ...(disk.bootLoader === 'u-boot' && { uBootConfig }) };
}

/** Lets the host's root show the system that was booted, as a running kernel would. */
export async function showBootedSystem(
  files: NodeFiles,
  booted: Extract<BootResult, { outcome: 'booted' }>,
  shownVersion?: string,
): Promise<NodeSystem> {
  const bootId = randomUUID();
  const text = Object.entries(booted.osRelease).map(([key, value]) => `${key}="${value}"\n`);
  const { VERSION_ID: version = '' } = booted.osRelease;
  const release =
    shownVersion === undefined ? text.join('') : text.join('').replaceAll(version, shownVersion);
  await writeFile(join(files.root, 'etc/os-release'), release);
  await writeFile(join(files.root, 'proc/cmdline'), `${booted.commandLine}\n`);
  await writeFile(join(files.root, 'proc/sys/kernel/random/boot_id'), `${bootId}\n`);
  const shown = parseAssignments(release);
  return { bootId, osImage: shown.PRETTY_NAME ?? '', kubeletVersion: `v${shown.VERSION_ID}` };
}

/** Puts a file below the host's root, as an administrator of the node does: `/etc/KubeOS/certs/ca.pem`. */
export async function putFile(files: NodeFiles, path: string, text: string): Promise<void> {
  const target = join(files.root, path);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, text, { mode: 0o600 });
}

async function installSlot(path: string, label: string, version: string, disk: DiskParameters) {
  const { sizeMiB, fillMiB, systemName } = disk;
  const parameters = {
    ...(sizeMiB === undefined ? {} : { sizeMiB }),
    ...(fillMiB === undefined ? {} : { fillMiB }),
    ...(systemName === undefined ? {} : { prettyName: `${systemName} ${version.replace(/^v/, '')}` }),
  };
  const image = await buildImage({ version, label, ...parameters });
  await copyFile(image.path, path);
  await truncate(path, (disk.slotMiB ?? 32) * MIB);
}
