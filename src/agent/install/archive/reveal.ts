import type { FileHandle } from 'node:fs/promises';
import { StalledError } from '../../../domain/errors.ts';
import { SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET } from '../ext4-superblock.ts';
import { destroySuperblock, hashOf } from '../superblock-io.ts';
import { flush, writeAll } from '../write-all.ts';
import { backupPlaces, isBackup, isHidden, revealed } from './hidden-superblock.ts';

/** A disk writes so much wholly or not at all. */
const SECTOR_BYTES = 512;

/**
 * Makes a filled file system one that can be found: without the feature that hid it, and with the slot's label. The
 * sector that says so comes alone, after all else is on the disk.
 * @returns hash of the superblock
 * @throws StalledError `SlotWriteFailed`, `ReadBackMismatch`
 */
export async function revealFileSystem(handle: FileHandle, label: string): Promise<string> {
  const hidden = await readAt(handle, SUPERBLOCK_OFFSET);
  if (!isHidden(hidden)) throw unlike('has no superblock any more');
  for (const { group, position } of backupPlaces(hidden)) {
    const backup = await readAt(handle, position);
    if (isBackup(backup, group)) await writeAll(handle, revealed(backup, label), position);
  }
  const superblock = revealed(hidden, label);
  await writeAll(handle, superblock.subarray(SECTOR_BYTES), SUPERBLOCK_OFFSET + SECTOR_BYTES);
  await flush(handle);
  await writeAll(handle, superblock.subarray(0, SECTOR_BYTES), SUPERBLOCK_OFFSET);
  await flush(handle);
  if (!(await readAt(handle, SUPERBLOCK_OFFSET)).equals(superblock)) {
    await destroySuperblock(handle);
    throw unlike('gives back another superblock');
  }
  return hashOf(superblock);
}

async function readAt(handle: FileHandle, position: number): Promise<Buffer> {
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES);
  const { bytesRead } = await handle.read(bytes, 0, SUPERBLOCK_BYTES, position);
  return bytes.subarray(0, bytesRead);
}

const unlike = (what: string): StalledError =>
  new StalledError('ReadBackMismatch', `the slot ${what}: replace the disk`);
