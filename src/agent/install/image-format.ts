import { StalledError } from '../../domain/errors.ts';
import { type Ext4Facts, parseSuperblock, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET } from './ext4-superblock.ts';

/** How many bytes tell what an image is; they are also the ones that are written last. */
export const HEAD_BYTES = 65_536;

/** How the fetched bytes are packed. */
export type Packing = 'zstd' | 'gzip' | 'xz' | 'plain';

const ZSTD_MAGIC = 0xfd2fb528;
const ZSTD_SKIPPABLE_MAGIC = 0x184d2a50;

const OTHER_PACKINGS: readonly (readonly [Packing, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];
/** Packings that are recognised only to be refused by name. */
const REFUSED_PACKINGS: readonly (readonly [string, readonly number[]])[] = [
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['lz4', [0x04, 0x22, 0x4d, 0x18]],
  ['zip', [0x50, 0x4b, 0x03, 0x04]],
];

/**
 * Tells by the first bytes of a fetched file how it is packed. Its name does not count.
 * @source RFC 8878 for zstd's frames, skippable ones included; RFC 1952; the .xz file format, 2.1.1.1
 * @throws StalledError `ImageInvalid` for a packing that is not supported
 */
export function detectPacking(head: Buffer): Packing {
  const magic = head.length < 4 ? 0 : head.readUInt32LE(0);
  if (magic === ZSTD_MAGIC || (magic & 0xfffffff0) >>> 0 === ZSTD_SKIPPABLE_MAGIC) return 'zstd';
  const begins = ([, bytes]: readonly [string, readonly number[]]) =>
    bytes.every((byte, at) => head[at] === byte);
  const refused = REFUSED_PACKINGS.find(begins);
  if (refused === undefined) return OTHER_PACKINGS.find(begins)?.[0] ?? 'plain';
  throw imageInvalid(
    `the image is packed with ${refused[0]}`,
    'pack it with zstd, gzip or xz, or not at all',
  );
}

/** Other things than a file system that people take for an image. */
const OTHER_CONTENTS: readonly { name: string; at: number; bytes: string }[] = [
  { name: 'a partition table (GPT) of a whole disk', at: 512, bytes: 'EFI PART' },
  { name: 'a partition table (GPT) of a whole disk', at: 4096, bytes: 'EFI PART' },
  { name: 'a qcow2 disk', at: 0, bytes: 'QFI\u00fb' },
  { name: 'a squashfs file system', at: 0, bytes: 'hsqs' },
  { name: 'an XFS file system', at: 0, bytes: 'XFSB' },
  { name: 'an ISO 9660 file system', at: 32_769, bytes: 'CD001' },
  { name: 'a web page', at: 0, bytes: '<!DOCTYPE' },
  { name: 'a web page', at: 0, bytes: '<html' },
];

/**
 * Reads the superblock at the beginning of an expanded image.
 * @throws StalledError `ImageInvalid` naming what the image holds instead
 */
export function readImageHead(head: Buffer): Ext4Facts {
  const facts = parseSuperblock(head.subarray(SUPERBLOCK_OFFSET, SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES));
  if (facts !== undefined && head.length === HEAD_BYTES) return facts;
  const other = OTHER_CONTENTS.find(
    ({ at, bytes }) => head.toString('latin1', at, at + bytes.length).toLowerCase() === bytes.toLowerCase(),
  );
  const packing = detectPacking(head);
  if (packing !== 'plain') {
    throw imageInvalid(`the image is packed twice, with ${packing} within`, 'pack it once');
  }
  const isBootSector = head[510] === 0x55 && head[511] === 0xaa;
  const name =
    other?.name ?? (isBootSector ? 'a partition table (MBR) of a whole disk' : 'no ext4 file system');
  throw imageInvalid(
    `the image holds ${name}`,
    'give a raw ext4 file system or a tar of a root file system, plain or packed with zstd, gzip or xz',
  );
}

/** The refusal of an image for what is in it. */
export const imageInvalid = (problem: string, wayOut: string, cause?: unknown): StalledError =>
  new StalledError('ImageInvalid', `${problem}: ${wayOut}`, cause === undefined ? {} : { cause });
