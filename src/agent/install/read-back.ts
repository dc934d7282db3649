import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Logger } from 'winston';
import { StalledError } from '../../domain/errors.ts';
import { errnoOf } from '../host/errno.ts';
import { alignedBuffer, BLOCK_BYTES } from './blocks.ts';

/** Unbuffered reads begin at multiples of this. */
const PAGE_BYTES = 4096;

/** What to read back, and whom to tell. */
export interface ReadBackOptions {
  readonly path: string;
  /** The first bytes of the image, which are not on the slot yet. */
  readonly head: Buffer;
  /** Bytes of the whole image. */
  readonly bytes: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
  onBytes(done: number): void;
}

/**
 * SHA-256 of what the disk gives back, hex: past the page cache, which would only repeat what was put into it.
 * @throws StalledError `ReadBackMismatch` if the disk cannot be read
 */
export async function digestOnDisk(options: ReadBackOptions): Promise<string> {
  const hash = createHash('sha256').update(options.head);
  const handle = await openUnbuffered(options);
  try {
    const buffer = alignedBuffer(BLOCK_BYTES);
    let at = options.head.length;
    while (at < options.bytes) {
      options.signal.throwIfAborted();
      const { bytesRead } = await handle.read(buffer, 0, BLOCK_BYTES, at);
      if (bytesRead === 0 || (bytesRead < PAGE_BYTES && at + bytesRead < options.bytes))
        throw new Error(`the slot ends at byte ${at}`);
      // The next read has to begin at a page again.
      const whole = at + bytesRead < options.bytes ? bytesRead - (bytesRead % PAGE_BYTES) : bytesRead;
      const useful = Math.min(whole, options.bytes - at);
      hash.update(buffer.subarray(0, useful));
      at += useful;
      options.onBytes(at);
    }
  } catch (cause) {
    options.signal.throwIfAborted();
    throw new StalledError('ReadBackMismatch', 'the slot cannot be read back: check the disk', { cause });
  } finally {
    await handle.close();
  }
  return hash.digest('hex');
}

async function openUnbuffered({ path, log }: ReadBackOptions): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_DIRECT);
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error;
    log.debug('the file system of the slot cannot be read past the page cache', { path });
    return open(path, constants.O_RDONLY);
  }
}
