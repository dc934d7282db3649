import type { FileHandle } from 'node:fs/promises';
import { errnoOf } from '../../domain/errno.ts';
import { StalledError } from '../../domain/errors.ts';

/**
 * Writes every byte of `bytes` at `position`, however few a single write takes.
 * @throws StalledError `SlotWriteFailed` with the system's word for it
 */
export async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle
      .write(bytes, done, bytes.length - done, position + done)
      .catch((cause: unknown) => {
        throw writeFailed(cause, position + done);
      });
    if (bytesWritten === 0) throw writeFailed(new Error('nothing was written'), position + done);
    done += bytesWritten;
  }
}

/** Flushes what was written to the disk. @throws StalledError `SlotWriteFailed` */
export const flush = (handle: FileHandle): Promise<void> =>
  handle.sync().catch((cause: unknown) => {
    throw writeFailed(cause);
  });

function writeFailed(cause: unknown, position?: number): StalledError {
  const where = position === undefined ? '' : ` at byte ${position}`;
  return new StalledError(
    'SlotWriteFailed',
    `the slot could not be written${where} (${errnoOf(cause) || 'unknown error'}): check the disk, then retry`,
    { cause },
  );
}
