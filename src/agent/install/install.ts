import type { FileHandle } from 'node:fs/promises';
import type { Logger } from 'winston';
import { StalledError } from '../../domain/errors.ts';
import type { StagedImage, StageProgress, StageRequest } from '../ports.ts';
import { expand } from './expand.ts';
import { parseSuperblock, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET } from './ext4-superblock.ts';
import { type Fetched, watchFetched } from './fetched.ts';
import { detectPacking, HEAD_BYTES, imageInvalid } from './image-format.ts';
import { createReadBack, type ReadBack } from './read-back.ts';
import { createSlotWriter, type SlotWriter } from './slot-writer.ts';
import { openUnbuffered } from './unbuffered.ts';
import { assertChecksum, assertSize } from './verify.ts';

/** A packing needs so many bytes to be told. */
const PACKING_BYTES = 512;
/** So much more is fetched of a file that cannot be expanded, to tell a damaged file from a wrong one. */
const DRAIN_BYTES = 64 * 1024 * 1024;

/** One pass over one image. */
export interface InstallOptions {
  readonly request: StageRequest;
  readonly handle: FileHandle;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Bytes of the fetched file, 0 while unknown. */
  fetchedTotal(): number;
  onProgress(progress: StageProgress): void;
}

/** Puts an image onto a slot. Another engine with the same contract may come in its place. */
export type Install = (source: AsyncIterator<Buffer>, options: InstallOptions) => Promise<StagedImage>;

/**
 * The plain engine: hash, expand, write, flush, read back what is flushed while more comes, compare, reveal. Memory
 * stays constant.
 * @throws StalledError as `Stager.stage` says; whatever `source` throws
 */
export const install: Install = async (source, options) => {
  const unbuffered = await openUnbuffered(options.request.slot.path, options.log);
  const readBack = createReadBack({
    handle: unbuffered ?? options.handle,
    signal: options.signal,
    onBytes: end => tellReadBack(end),
  });
  const { slot } = options.request;
  const writer = createSlotWriter(options.handle, slot.sizeBytes, {
    unbuffered,
    onFlushed: readBack.flushed,
  });
  let [readBackEnd, expandedBytes] = [0, 0];
  const tellReadBack = (end: number): void => {
    readBackEnd = end;
    if (expandedBytes > 0)
      options.onProgress({ phase: 'Installing', bytesDone: end, bytesTotal: expandedBytes });
  };
  try {
    const digest = await transfer(source, { ...options, writer, readBack });
    expandedBytes = writer.bytesTaken();
    tellReadBack(readBackEnd);
    await writer.flush();
    await readBack.settled();
    const superblockHash = await writer.reveal(`ROOT-${slot.name}`);
    return { checksum: `sha256:${digest}`, expandedBytes, superblockHash };
  } finally {
    await writer.settled();
    await readBack.settled().catch(() => undefined);
    await unbuffered?.close();
  }
};

interface Ways extends InstallOptions {
  readonly writer: SlotWriter;
  readonly readBack: ReadBack;
}

/** Brings the image onto the slot, all but its first bytes; returns the digest of the fetched file, which is right. */
async function transfer(source: AsyncIterator<Buffer>, ways: Ways): Promise<string> {
  const { image } = ways.request;
  const fetched = watchFetched(source, bytesDone => {
    ways.onProgress({ phase: 'Downloading', bytesDone, bytesTotal: ways.fetchedTotal() });
  });
  await writeExpanded(fetched, ways);
  const digest = fetched.digest();
  assertChecksum(image.checksum ?? '', digest);
  assertSize(image.size, ways.writer.bytesTaken());
  assertWhole(ways.writer);
  return digest;
}

async function writeExpanded(fetched: Fetched, { request, signal, writer, readBack }: Ways): Promise<void> {
  try {
    const packing = detectPacking(await fetched.peek(PACKING_BYTES));
    for await (const block of expand(packing, fetched.bytes)) {
      signal.throwIfAborted();
      assertSize(request.image.size, writer.bytesTaken() + block.length, 'so far');
      const withheld = writer.bytesTaken() === 0 ? HEAD_BYTES : 0;
      readBack.expect(block.subarray(withheld), writer.bytesTaken() + withheld);
      await writer.write(block);
    }
    signal.throwIfAborted();
    if (writer.bytesTaken() === 0) throw imageInvalid('the image is empty', 'give a raw ext4 file system');
  } catch (error) {
    // A damaged file mostly shows as one that cannot be read; that it is damaged is the better thing to say.
    const isReadOn = error instanceof StalledError && error.reason === 'ImageInvalid';
    if (isReadOn && (await fetched.drain(DRAIN_BYTES))) {
      assertChecksum(request.image.checksum ?? '', fetched.digest(), error.message);
    }
    throw error;
  }
}

/** A file system that goes on after the end of the image was cut off when the image was made. */
function assertWhole(writer: SlotWriter): void {
  const facts = parseSuperblock(
    writer.head().subarray(SUPERBLOCK_OFFSET, SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES),
  );
  if (facts === undefined || facts.sizeBytes <= writer.bytesTaken()) return;
  throw imageInvalid(
    `the image ends after ${writer.bytesTaken()} bytes, but its file system has ${facts.sizeBytes}`,
    'make the image of the whole file system',
  );
}
