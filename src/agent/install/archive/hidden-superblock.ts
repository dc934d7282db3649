import { SUPERBLOCK_BYTES, withLabel } from '../ext4-superblock.ts';

/**
 * While a file system is being filled it has this feature, by the name that mke2fs knows. Linux mounts it (4.13 and
 * later) and does nothing else than before, as long as no extended attribute is larger than a block; GRUB's driver
 * refuses it. So nothing boots from a slot that is half full.
 */
export const HIDING_FEATURE = 'ea_inode';
const HIDING_BIT = 0x400;

/** Byte offsets in the superblock. @source Linux, "ext4 Data Structures and Algorithms", the super block */
const AT = {
  blocks: 0x04,
  firstBlock: 0x14,
  logBlockSize: 0x18,
  blocksPerGroup: 0x20,
  magic: 0x38,
  group: 0x5a,
  incompatible: 0x60,
  lastMounted: 0x88,
} as const;
const LAST_MOUNTED_BYTES = 64;

/** The superblock of a filled file system, without the feature that hid it and with the slot's label. */
export function revealed(superblock: Buffer, label: string): Buffer {
  const copy = Buffer.from(superblock);
  copy.writeUInt32LE((copy.readUInt32LE(AT.incompatible) & ~HIDING_BIT) >>> 0, AT.incompatible);
  copy.fill(0, AT.lastMounted, AT.lastMounted + LAST_MOUNTED_BYTES);
  return withLabel(copy, label);
}

/** Whether a superblock is that of a file system which we are filling. */
export const isHidden = (superblock: Buffer): boolean =>
  superblock.length === SUPERBLOCK_BYTES &&
  superblock.readUInt16LE(AT.magic) === 0xef53 &&
  (superblock.readUInt32LE(AT.incompatible) & HIDING_BIT) !== 0;

/** Where copies of the primary superblock may lie: at the beginning of each group of blocks but the first. */
export function backupPlaces(superblock: Buffer): { group: number; position: number }[] {
  const blockBytes = 1024 * 2 ** superblock.readUInt32LE(AT.logBlockSize);
  const perGroup = superblock.readUInt32LE(AT.blocksPerGroup);
  const first = superblock.readUInt32LE(AT.firstBlock);
  const groups = Math.ceil((superblock.readUInt32LE(AT.blocks) - first) / perGroup);
  return Array.from({ length: Math.max(groups - 1, 0) }, (_unused, index) => ({
    group: index + 1,
    position: (first + (index + 1) * perGroup) * blockBytes,
  }));
}

/** Whether what was found at a place is a copy of the superblock. */
export const isBackup = (found: Buffer, group: number): boolean =>
  isHidden(found) && found.readUInt16LE(AT.group) === group % 65_536;
