import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errnoOf } from '../../domain/errno.ts';
import { alignedBuffer, PAGE_BYTES } from '../install/blocks.ts';

/** One for all reads, which take turns: a new one for each would cost much address space. */
const page = alignedBuffer(PAGE_BYTES);
let turn: Promise<unknown> = Promise.resolve();

/**
 * Reads the beginning of a file from its disk, past the page cache, which would repeat what was put into it even if
 * that never reached the disk. What the cache has not written yet is written first.
 * @param bytes at most a page
 * @returns at most `bytes` bytes; undefined where the file system cannot read so
 */
export function readPastCache(path: string, bytes: number): Promise<Buffer | undefined> {
  const answer = turn.then(() => readPage(path, bytes));
  turn = answer.catch(() => undefined);
  return answer;
}

async function readPage(path: string, bytes: number): Promise<Buffer | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_DIRECT);
    const { bytesRead } = await handle.read(page, 0, PAGE_BYTES, 0);
    return Buffer.from(page.subarray(0, Math.min(bytesRead, bytes)));
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return undefined;
    throw error;
  } finally {
    await handle?.close();
  }
}
