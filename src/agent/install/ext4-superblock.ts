import { crc32c } from './crc32c.ts';

/** Where ext4 keeps its primary superblock, and how large it is. */
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_BYTES = 1024;

/** Byte offsets in the superblock. @source Linux, "ext4 Data Structures and Algorithms", the super block */
const AT = {
  blocksLow: 0x04,
  logBlockSize: 0x18,
  magic: 0x38,
  incompatible: 0x60,
  readOnlyCompatible: 0x64,
  label: 0x78,
  blocksHigh: 0x150,
  checksum: 0x3fc,
} as const;
const MAGIC = 0xef53;
const LABEL_BYTES = 16;
const INCOMPATIBLE_64BIT = 0x80;
const READ_ONLY_METADATA_CHECKSUM = 0x400;

/** What the superblock says about its file system. */
export interface Ext4Facts {
  readonly sizeBytes: number;
  readonly label: string;
}

/** Reads a superblock; undefined if it is none of ext2, ext3 or ext4. */
export function parseSuperblock(superblock: Buffer): Ext4Facts | undefined {
  if (superblock.length < SUPERBLOCK_BYTES || superblock.readUInt16LE(AT.magic) !== MAGIC) return undefined;
  const logBlockSize = superblock.readUInt32LE(AT.logBlockSize);
  if (logBlockSize > 6) return undefined;
  const is64Bit = (superblock.readUInt32LE(AT.incompatible) & INCOMPATIBLE_64BIT) !== 0;
  const high = is64Bit ? superblock.readUInt32LE(AT.blocksHigh) : 0;
  const blocks = high * 2 ** 32 + superblock.readUInt32LE(AT.blocksLow);
  const label = superblock.toString('utf8', AT.label, AT.label + LABEL_BYTES);
  return { sizeBytes: blocks * 1024 * 2 ** logBlockSize, label: label.replace(/\0.*$/s, '') };
}

/** Tells that a superblock is torn or damaged: the kernel does not mount such a file system. */
export function hasWrongChecksum(superblock: Buffer): boolean {
  if (parseSuperblock(superblock) === undefined || !hasChecksum(superblock)) return false;
  return superblock.readUInt32LE(AT.checksum) !== crc32c(superblock.subarray(0, AT.checksum));
}

const hasChecksum = (superblock: Buffer): boolean =>
  (superblock.readUInt32LE(AT.readOnlyCompatible) & READ_ONLY_METADATA_CHECKSUM) !== 0;

/** A copy of the superblock with another label (at most 16 bytes) and the checksum that belongs to it. */
export function withLabel(superblock: Buffer, label: string): Buffer {
  const copy = Buffer.from(superblock);
  copy.fill(0, AT.label, AT.label + LABEL_BYTES);
  copy.write(label, AT.label, LABEL_BYTES, 'utf8');
  if (hasChecksum(copy)) copy.writeUInt32LE(crc32c(copy.subarray(0, AT.checksum)), AT.checksum);
  return copy;
}
