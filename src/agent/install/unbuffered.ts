import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Logger } from 'winston';
import { errnoOf } from '../host/errno.ts';

/** Opens a slot to be written and read past the page cache; undefined where its file system cannot do that. */
export async function openUnbuffered(path: string, log: Logger): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDWR | constants.O_DIRECT);
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error;
    log.debug('the slot cannot be written and read past the page cache', { path });
    return undefined;
  }
}
