import { readFile } from 'node:fs/promises';
import { runProgram } from '../../env/node/run-program.ts';
import type { Firmware } from './layout.ts';

/** What both kinds of GRUB can do. `cat`, `ls`, `regexp` and the like are for a person at its prompt. */
const MODULES = [
  ...['part_gpt', 'part_msdos', 'fat', 'ext2', 'search', 'search_label', 'search_fs_uuid', 'search_fs_file'],
  ...['normal', 'configfile', 'loadenv', 'linux', 'boot', 'test', 'true', 'regexp', 'sleep'],
  ...['serial', 'terminal', 'echo', 'cat', 'ls', 'help', 'minicmd', 'probe', 'halt', 'reboot'],
];
const SECTOR = 512;
/** Bytes of the MBR before the disk's signature and the partition table. */
const BOOT_CODE_BYTES = 440;

/** GRUB for UEFI, with its configuration in `/EFI/openEuler` of the partition that it was started from. */
export async function makeEfiGrub(out: string): Promise<void> {
  await runProgram('grub-mkimage', '-O', 'x86_64-efi', '-p', '/EFI/openEuler', '-o', out, ...MODULES);
}

/** GRUB for a BIOS, as it stands on a disk. */
export interface BiosGrub {
  /** The first bytes of the MBR. */
  readonly bootCode: Buffer;
  /** What begins in the disk's second sector. */
  readonly core: Buffer;
}

/**
 * GRUB for a BIOS with its configuration in the first partition of the disk that it was started from. It replaces
 * `grub-bios-setup`, which wants a block device: boot code and core image are told where the rest of them stands.
 * @param scratch a file that may be overwritten
 */
export async function makeBiosGrub(scratch: string, library = '/usr/lib/grub/i386-pc'): Promise<BiosGrub> {
  const prefix = '(,msdos1)/';
  await runProgram('grub-mkimage', '-O', 'i386-pc', '-p', prefix, '-o', scratch, 'biosdisk', ...MODULES);
  const core = await readFile(scratch);
  const bootCode = (await readFile(`${library}/boot.img`)).subarray(0, BOOT_CODE_BYTES);
  bootCode.writeBigUInt64LE(BigInt(CORE_SECTOR), KERNEL_SECTOR_AT);
  core.writeBigUInt64LE(BigInt(CORE_SECTOR + 1), BLOCK_LIST_AT);
  return { bootCode, core };
}

/** Where the core image begins: right behind the MBR. */
export const CORE_SECTOR = 1;
/** In boot.img: the sector of the core image. */
const KERNEL_SECTOR_AT = 0x5c;
/** In the core image's first sector: where its second one stands. */
const BLOCK_LIST_AT = SECTOR - 12;

/** Folder of grub.cfg and grubenv in the boot partition. */
export const grubFolder = (firmware: Firmware): string => (firmware === 'uefi' ? '/EFI/openEuler' : '/');
