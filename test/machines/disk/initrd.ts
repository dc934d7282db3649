import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { readModules } from './kernel-modules.ts';
import { type CpioMember, packNewc } from './newc.ts';

/** What an initrd is made of. */
export interface InitrdOptions {
  /** `lib/modules/<version>` of the tree that it boots. */
  readonly modulesDir: string;
  /** A statically linked busybox. */
  readonly busybox: string;
  readonly out: string;
}

/** Disks of every kind that the machines have, and the root file system. ext4 asks for crc32c only when it mounts. */
const DISK_MODULES = [
  'virtio_pci',
  'virtio_blk',
  'virtio_scsi',
  'sd_mod',
  'nvme',
  'ahci',
  'crc32c_generic',
  'ext4',
];
const WATCHDOG_MODULES = ['i6300esb'];

/**
 * Makes a small initrd: it loads the drivers of the disks, waits for the root that the kernel's command line names
 * (`PARTUUID=`, `LABEL=`, `UUID=` or a device), mounts it and starts its init. If it cannot, it says so and ends, which
 * is a kernel panic. The same parts make the same bytes.
 */
export async function makeInitrd(options: InitrdOptions): Promise<void> {
  const disks = await readModules(options.modulesDir, DISK_MODULES);
  const watchdogs = await readModules(options.modulesDir, WATCHDOG_MODULES);
  const modules = new Map([...disks, ...watchdogs].map(module => [module.name, module.content]));
  const members: CpioMember[] = [
    ...['bin', 'dev', 'proc', 'sys', 'modules', 'newroot'].map(folder),
    program('bin/busybox', await readStatic(options.busybox)),
    program('init', await readFile(join(import.meta.dirname, 'initrd-init.sh'))),
    text(
      'modules/disks',
      disks.map(module => module.name),
    ),
    text(
      'modules/watchdogs',
      watchdogs.map(module => module.name),
    ),
    ...[...modules].map(([name, content]) => ({ path: `modules/${name}.ko`, mode: 0o100644, content })),
  ];
  await writeFile(options.out, await promisify(gzip)(packNewc(members), { level: 9 }));
}

/** There is nothing in the initrd that could load a program with its libraries. */
async function readStatic(path: string): Promise<Buffer> {
  const content = await readFile(path);
  if (wantsInterpreter(content)) throw new Error(`${path} is not static: install busybox-static`);
  return content;
}

/** Tells whether an ELF file of 64 bits has a program header of the type PT_INTERP. */
function wantsInterpreter(elf: Buffer): boolean {
  const [first, size, count] = [
    Number(elf.readBigUInt64LE(0x20)),
    elf.readUInt16LE(0x36),
    elf.readUInt16LE(0x38),
  ];
  return Array.from({ length: count }, (_, index) => elf.readUInt32LE(first + index * size)).includes(3);
}

const folder = (path: string): CpioMember => ({ path, mode: 0o040755, content: new Uint8Array() });
const program = (path: string, content: Buffer): CpioMember => ({ path, mode: 0o100755, content });
const text = (path: string, lines: string[]): CpioMember => ({
  ...{ path, mode: 0o100644 },
  content: Buffer.from(lines.map(line => `${line}\n`).join('')),
});
