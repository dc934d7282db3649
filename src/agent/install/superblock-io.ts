import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { StalledError } from '../../domain/errors.ts';
import { parseSuperblock, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET } from './ext4-superblock.ts';
import { writeAll } from './write-all.ts';

/** The first page holds the superblock and what a boot sector or another file system would show. */
const DESTROYED_BYTES = 4096;

/** SHA-256 of a superblock, hex: what status and markers compare. */
export const hashOf = (superblock: Buffer): string => createHash('sha256').update(superblock).digest('hex');

/**
 * Reads the primary superblock of a slot, or what lies in its place.
 * @throws StalledError `SlotNotFound` if the slot cannot be read
 */
export async function readPrimarySuperblock(path: string): Promise<Buffer> {
  const superblock = Buffer.alloc(SUPERBLOCK_BYTES);
  const handle = await openForReading(path);
  try {
    await handle.read(superblock, 0, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET);
  } finally {
    await handle.close();
  }
  return superblock;
}

/**
 * Tells what the primary superblock of a slot is.
 * @throws StalledError `SlotNotFound` if the slot cannot be read
 */
export async function readSuperblock(path: string): Promise<{ hash: string; isExt4: boolean }> {
  const superblock = await readPrimarySuperblock(path);
  return { hash: hashOf(superblock), isExt4: parseSuperblock(superblock) !== undefined };
}

/** Makes what lies on the slot unfindable, and waits until that is on the disk. */
export async function destroySuperblock(handle: FileHandle): Promise<void> {
  await writeAll(handle, Buffer.alloc(DESTROYED_BYTES), 0);
  await handle.sync();
}

const openForReading = (path: string): Promise<FileHandle> =>
  open(path, 'r').catch((cause: unknown) => {
    throw new StalledError(
      'SlotNotFound',
      `cannot read ${path}: correct slots in the agent's configuration`,
      {
        cause,
      },
    );
  });
