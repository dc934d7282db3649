import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Logger } from 'winston';
import { errnoOf } from '../../domain/errno.ts';
import { alignedBuffer, PAGE_BYTES } from './blocks.ts';

/** Opens a slot to be written and read past the page cache; undefined where its file system cannot do that. */
export async function openUnbuffered(path: string, log: Logger): Promise<FileHandle | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDWR | constants.O_DIRECT);
    // Some file systems take the flag and then refuse every access.
    await handle.read(alignedBuffer(PAGE_BYTES), 0, PAGE_BYTES, 0);
    return handle;
  } catch (error) {
    await handle?.close();
    if (errnoOf(error) !== 'EINVAL') throw error;
    log.debug('the slot cannot be written and read past the page cache', { path });
    return undefined;
  }
}
