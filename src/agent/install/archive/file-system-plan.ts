import { SUPERBLOCK_BYTES } from '../ext4-superblock.ts';

/** What a new file system shall be like. */
export interface FileSystemPlan {
  readonly features: readonly string[];
  readonly blockBytes: number;
  readonly inodeBytes: number;
  /** For so many bytes of the slot there is one inode. */
  readonly bytesPerInode: number;
}

/** Byte offsets in the superblock. @source Linux, "ext4 Data Structures and Algorithms", the super block */
const AT = {
  inodes: 0x00,
  blocks: 0x04,
  logBlockSize: 0x18,
  inodeBytes: 0x58,
  features: [0x5c, 0x60, 0x64],
} as const;

/** Features that are taken over: by the word of the superblock, by bit, as mke2fs calls them. */
const FEATURES: readonly Readonly<Record<number, string>>[] = [
  { 4: 'has_journal', 8: 'ext_attr', 16: 'resize_inode', 32: 'dir_index' },
  { 2: 'filetype', 64: 'extent', 128: '64bit', 512: 'flex_bg' },
  {
    1: 'sparse_super',
    2: 'large_file',
    8: 'huge_file',
    16: 'uninit_bg',
    32: 'dir_nlink',
    64: 'extra_isize',
    1024: 'metadata_csum',
  },
];
/** What every boot loader of the last ten years reads; for a running system that is not on ext4. */
const OLD_FEATURES =
  'has_journal,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize';
/** Trees of small files need more inodes than mke2fs makes by itself (16,384). */
const MAX_BYTES_PER_INODE = 8192;

/**
 * Plans a file system that whatever reads the running one can read: with no feature that it has not. Rarely used ones
 * are left out, which no reader minds.
 * @param running primary superblock of the slot that runs; what is none of ext4 counts as old
 */
export function planFileSystem(running: Buffer): FileSystemPlan {
  const isExt4 = running.length >= SUPERBLOCK_BYTES && running.readUInt16LE(0x38) === 0xef53;
  if (!isExt4) {
    return {
      features: OLD_FEATURES.split(','),
      blockBytes: 4096,
      inodeBytes: 256,
      bytesPerInode: MAX_BYTES_PER_INODE,
    };
  }
  const features = FEATURES.flatMap((names, word) =>
    namesOf(names, running.readUInt32LE(AT.features[word] ?? 0)),
  );
  const blockBytes = 1024 * 2 ** running.readUInt32LE(AT.logBlockSize);
  const ratio = (running.readUInt32LE(AT.blocks) * blockBytes) / Math.max(running.readUInt32LE(AT.inodes), 1);
  const inodeBytes = running.readUInt16LE(AT.inodeBytes) || 128;
  return {
    // Extended attributes are switched on by their first use anyway.
    features: [...new Set([...features, 'ext_attr'])],
    blockBytes,
    inodeBytes,
    bytesPerInode: Math.max(blockBytes, Math.min(MAX_BYTES_PER_INODE, Math.floor(ratio))),
  };
}

const namesOf = (names: Readonly<Record<number, string>>, bits: number): string[] =>
  Object.entries(names)
    .filter(([bit]) => (bits & Number(bit)) !== 0)
    .map(([, name]) => name);
