import type { FileHandle } from 'node:fs/promises';
import { StalledError } from '../../domain/errors.ts';
import { alignedBuffer, PAGE_BYTES } from './blocks.ts';
import { SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, withLabel } from './ext4-superblock.ts';
import { HEAD_BYTES, readImageHead } from './image-format.ts';
import { destroySuperblock, hashOf } from './superblock-io.ts';
import { flush, writeAll } from './write-all.ts';

/** So much is on its way to the disk at most: a flush at the very end alone would take minutes. */
const FLUSH_EVERY_BYTES = 64 * 1024 * 1024;
/** A disk writes so much wholly or not at all. */
const SECTOR_BYTES = 512;

/** Writes an image to a slot so that it can be found only when it is whole. */
export interface SlotWriter {
  /** Takes the next block. A buffer may be used again when the call after the next has returned. */
  write(block: Buffer): Promise<void>;
  /** Waits until everything but the first bytes is on the disk. */
  flush(): Promise<void>;
  /** Waits until nothing is written any more, whether that fails or not. */
  settled(): Promise<void>;
  /** The first bytes of the image, which are still withheld. */
  head(): Buffer;
  /** How many bytes were taken. */
  bytesTaken(): number;
  /** Writes what was withheld, with the slot's label; then the slot can be found. Returns the superblock's hash. */
  reveal(label: string): Promise<string>;
}

/** What a writer may be told besides. */
export interface SlotWriterOptions {
  /** The same slot, opened to be written past the page cache: an image shall not push out what the node works with. */
  readonly unbuffered?: FileHandle | undefined;
  /** Everything before `end` is on the disk, save the first bytes. */
  onFlushed?(end: number): void;
}

/**
 * A writer for one image. The first write, and nothing before it, destroys the slot's superblock: an image that turns
 * out to be none leaves the slot as it was.
 * @throws StalledError `ImageTooLarge`, `ImageInvalid`, `SlotWriteFailed` from its methods
 */
export function createSlotWriter(
  handle: FileHandle,
  slotBytes: number,
  { unbuffered, onFlushed }: SlotWriterOptions = {},
): SlotWriter {
  let head = Buffer.alloc(0);
  let [taken, sinceFlush] = [0, 0];
  let writing: Promise<void> = Promise.resolve();
  let flushing: Promise<void> = Promise.resolve();

  const begin = async (block: Buffer): Promise<Buffer> => {
    head = Buffer.from(block.subarray(0, HEAD_BYTES));
    const { sizeBytes } = readImageHead(head);
    if (sizeBytes > slotBytes) throw tooLarge(`holds a file system of ${sizeBytes} bytes`, slotBytes);
    await destroySuperblock(handle);
    return block.subarray(HEAD_BYTES);
  };
  const flushAll = async (): Promise<void> => {
    const end = taken;
    await flush(handle);
    onFlushed?.(end);
  };
  return {
    write: async block => {
      const at = taken;
      if (at + block.length > slotBytes) throw tooLarge('is larger', slotBytes);
      const rest = at === 0 ? await begin(block) : block;
      taken += block.length;
      await writing;
      const isWhole = rest.length % PAGE_BYTES === 0;
      writing = quiet(writeAll((isWhole && unbuffered) || handle, rest, at === 0 ? HEAD_BYTES : at));
      sinceFlush += block.length;
      if (sinceFlush < FLUSH_EVERY_BYTES) return;
      sinceFlush = 0;
      await flushing;
      await writing;
      flushing = quiet(flushAll());
    },
    flush: async () => {
      await writing;
      await flushing;
      await flushAll();
    },
    settled: async () => void (await Promise.allSettled([writing, flushing])),
    head: () => head,
    bytesTaken: () => taken,
    reveal: label => reveal({ handle, unbuffered }, head, label),
  };
}

/** A promise that is awaited later; its failure is not lost, and not unhandled until then. */
function quiet(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined);
  return promise;
}

/**
 * The sector with the magic number and the label comes alone, after all else is on the disk: no power cut leaves a file
 * system that can be found and is not whole.
 */
async function reveal(
  { handle, unbuffered }: { handle: FileHandle; unbuffered: FileHandle | undefined },
  head: Buffer,
  label: string,
): Promise<string> {
  const superblock = withLabel(head.subarray(SUPERBLOCK_OFFSET, SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES), label);
  const labelled = Buffer.from(head);
  superblock.copy(labelled, SUPERBLOCK_OFFSET);
  const [sector, afterSector] = [SUPERBLOCK_OFFSET, SUPERBLOCK_OFFSET + SECTOR_BYTES];
  await writeAll(handle, labelled.subarray(0, sector), 0);
  await writeAll(handle, labelled.subarray(afterSector), afterSector);
  await flush(handle);
  await writeAll(handle, labelled.subarray(sector, afterSector), sector);
  await flush(handle);
  const readBack = alignedBuffer(labelled.length);
  const isWhole = labelled.length % PAGE_BYTES === 0;
  await ((isWhole && unbuffered) || handle).read(readBack, 0, readBack.length, 0);
  if (!readBack.equals(labelled)) {
    await destroySuperblock(handle);
    throw new StalledError(
      'ReadBackMismatch',
      'the slot does not read back as it was written: replace the disk',
    );
  }
  return hashOf(superblock);
}

const tooLarge = (what: string, slotBytes: number): StalledError =>
  new StalledError(
    'ImageTooLarge',
    `the expanded image ${what}, but the slot has ${slotBytes} bytes: make the image's file system smaller`,
  );
