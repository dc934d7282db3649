import type { FileHandle } from 'node:fs/promises';
import { StalledError } from '../../domain/errors.ts';
import { alignedBuffer, BLOCK_BYTES, PAGE_BYTES } from './blocks.ts';
import { createFingerprint } from './fingerprint.ts';

/** What to read back from, and whom to tell. */
export interface ReadBackOptions {
  /** Past the page cache where that is possible: the cache would only repeat what was put into it. */
  readonly handle: FileHandle;
  readonly signal: AbortSignal;
  /** Everything up to here has been read back. */
  onBytes(end: number): void;
}

/** Compares what the disk gives back with what was written to it, close behind the writer. */
export interface ReadBack {
  /** Remembers at most `BLOCK_BYTES` that are going to be written at `start`, a multiple of a page. In order. */
  expect(bytes: Buffer, start: number): void;
  /** Everything before `end` has been flushed, and is read back in the background. */
  flushed(end: number): void;
  /**
   * Resolves when everything that was flushed has been compared. Never left unanswered when `flushed` was called.
   * @throws StalledError `ReadBackMismatch`; the signal's reason
   */
  settled(): Promise<void>;
}

interface Written {
  readonly start: number;
  readonly end: number;
  readonly fingerprint: Buffer;
}

/** Follows one writer. */
export function createReadBack({ handle, signal, onBytes }: ReadBackOptions): ReadBack {
  const fingerprintOf = createFingerprint();
  const waiting: Written[] = [];
  let buffer: Buffer | undefined;
  let work: Promise<void> = Promise.resolve();

  const compare = async ({ start, end, fingerprint }: Written): Promise<void> => {
    signal.throwIfAborted();
    buffer ??= alignedBuffer(BLOCK_BYTES);
    const found = await readRange(handle, buffer, start, end);
    if (!fingerprintOf(found, start).equals(fingerprint)) throw mismatch(start, end);
    onBytes(end);
  };
  const compareAll = async (flushedEnd: number): Promise<void> => {
    for (let next = waiting[0]; next !== undefined && next.end <= flushedEnd; next = waiting[0]) {
      waiting.shift();
      await compare(next);
    }
  };
  return {
    expect: (bytes, start) => {
      waiting.push({ start, end: start + bytes.length, fingerprint: fingerprintOf(bytes, start) });
    },
    flushed: end => {
      work = work.then(() => compareAll(end));
      // Told by `settled`; until then it must not count as unhandled.
      work.catch(() => undefined);
    },
    settled: () => work,
  };
}

/** @throws StalledError `ReadBackMismatch` if the disk cannot be read */
async function readRange(handle: FileHandle, buffer: Buffer, start: number, end: number): Promise<Buffer> {
  const wanted = end - start;
  let got = 0;
  while (got < wanted) {
    // The length of an unbuffered read is of whole pages, like its place in the file and in memory.
    const length = Math.ceil((wanted - got) / PAGE_BYTES) * PAGE_BYTES;
    const { bytesRead } = await handle.read(buffer, got, length, start + got).catch((cause: unknown) => {
      throw unreadable(start, cause);
    });
    const isLast = got + bytesRead >= wanted;
    const useful = isLast ? bytesRead : bytesRead - (bytesRead % PAGE_BYTES);
    if (useful === 0) throw unreadable(start, new Error(`the slot ends at byte ${start + got + bytesRead}`));
    got += useful;
  }
  return buffer.subarray(0, wanted);
}

const unreadable = (start: number, cause: unknown): StalledError =>
  new StalledError('ReadBackMismatch', `the slot cannot be read back at byte ${start}: check the disk`, {
    cause,
  });

const mismatch = (start: number, end: number): StalledError =>
  new StalledError(
    'ReadBackMismatch',
    `the slot does not read back as it was written (bytes ${start} to ${end}): replace the disk`,
  );
