import type { StagedImage } from '../ports.ts';
import { parseSuperblock, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET } from './ext4-superblock.ts';
import type { Fetched } from './fetched.ts';
import { HEAD_BYTES, imageInvalid } from './image-format.ts';
import type { InstallOptions } from './install-options.ts';
import { createReadBack, type ReadBack } from './read-back.ts';
import { createSlotWriter, type SlotWriter } from './slot-writer.ts';
import { openUnbuffered } from './unbuffered.ts';
import { assertChecksum, assertSize } from './verify.ts';

/** One pass over one raw image, and the fetched file that it comes from. */
export interface RawOptions extends InstallOptions {
  readonly fetched: Fetched;
}

/**
 * Writes a raw file system as it comes: write, flush, read back what is flushed while more comes, compare, reveal.
 * Memory stays constant.
 * @param blocks the expanded image
 * @throws StalledError as `Stager.stage` says; whatever `blocks` throws
 */
export async function installRaw(blocks: AsyncIterator<Buffer>, options: RawOptions): Promise<StagedImage> {
  const unbuffered = await openUnbuffered(options.held.path, options.log);
  const readBack = createReadBack({
    handle: unbuffered ?? options.held.handle,
    signal: options.signal,
    onBytes: end => tellReadBack(end),
  });
  const { slot } = options.request;
  const writer = createSlotWriter(options.held.handle, slot.sizeBytes, {
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
    const digest = await transfer(blocks, { ...options, writer, readBack });
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
}

interface Ways extends RawOptions {
  readonly writer: SlotWriter;
  readonly readBack: ReadBack;
}

/** Brings the image onto the slot, all but its first bytes; returns the digest of the fetched file, which is right. */
async function transfer(blocks: AsyncIterator<Buffer>, ways: Ways): Promise<string> {
  const { request, signal, writer, readBack, fetched } = ways;
  const { image } = request;
  for (let next = await blocks.next(); !next.done; next = await blocks.next()) {
    const block = next.value;
    signal.throwIfAborted();
    assertSize(image.size, writer.bytesTaken() + block.length, 'so far');
    const withheld = writer.bytesTaken() === 0 ? HEAD_BYTES : 0;
    readBack.expect(block.subarray(withheld), writer.bytesTaken() + withheld);
    await writer.write(block);
  }
  signal.throwIfAborted();
  const digest = fetched.digest();
  assertChecksum(ways.checksum, digest);
  assertSize(image.size, writer.bytesTaken());
  assertWhole(writer);
  return digest;
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
