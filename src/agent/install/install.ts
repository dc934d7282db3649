import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Logger } from 'winston';
import { StalledError } from '../../domain/errors.ts';
import type { StagedImage, StageProgress, StageRequest } from '../ports.ts';
import { toBlocks } from './blocks.ts';
import { expand } from './expand.ts';
import { parseSuperblock, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET } from './ext4-superblock.ts';
import { type Fetched, watchFetched } from './fetched.ts';
import { detectPacking, imageInvalid } from './image-format.ts';
import { digestOnDisk } from './read-back.ts';
import { createSlotWriter, type SlotWriter } from './slot-writer.ts';
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
 * The plain engine: hash, expand, write, flush, compare the digests, read back, reveal. Memory stays constant.
 * @throws StalledError as `Stager.stage` says; whatever `source` throws
 */
export const install: Install = async (source, options) => {
  const { request, handle, onProgress } = options;
  const fetched = watchFetched(source, bytesDone => {
    onProgress({ phase: 'Downloading', bytesDone, bytesTotal: options.fetchedTotal() });
  });
  const writer = createSlotWriter(handle, request.slot.sizeBytes);
  const expandedDigest = await writeExpanded(fetched, writer, options);
  const digest = fetched.digest();
  const expandedBytes = writer.bytesTaken();
  onProgress({ phase: 'Installing', bytesDone: 0, bytesTotal: expandedBytes });
  assertChecksum(request.image.checksum, digest);
  assertSize(request.image.size, expandedBytes);
  assertWhole(writer);
  await writer.flush();
  await assertOnDisk(writer, expandedDigest, options);
  const superblockHash = await writer.reveal(`ROOT-${request.slot.name}`);
  return { checksum: `sha256:${digest}`, expandedBytes, superblockHash };
};

/** Brings everything but the first bytes onto the slot; returns the digest of all of it. */
async function writeExpanded(fetched: Fetched, writer: SlotWriter, options: InstallOptions): Promise<string> {
  const { request, signal } = options;
  const hash = createHash('sha256');
  try {
    const packing = detectPacking(await fetched.peek(PACKING_BYTES));
    for await (const block of toBlocks(expand(packing, fetched.bytes))) {
      signal.throwIfAborted();
      assertSize(request.image.size, writer.bytesTaken() + block.length, 'so far');
      await writer.write(block);
      hash.update(block);
    }
    signal.throwIfAborted();
    if (writer.bytesTaken() === 0) throw imageInvalid('the image is empty', 'give a raw ext4 file system');
    return hash.digest('hex');
  } catch (error) {
    // A damaged file mostly shows as one that cannot be read; that it is damaged is the better thing to say.
    const isReadOn = error instanceof StalledError && error.reason === 'ImageInvalid';
    if (isReadOn && (await fetched.drain(DRAIN_BYTES))) {
      assertChecksum(request.image.checksum, fetched.digest(), error.message);
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

async function assertOnDisk(writer: SlotWriter, expected: string, options: InstallOptions): Promise<void> {
  const bytes = writer.bytesTaken();
  const found = await digestOnDisk({
    path: options.request.slot.path,
    head: writer.head(),
    bytes,
    signal: options.signal,
    log: options.log,
    onBytes: bytesDone => options.onProgress({ phase: 'Installing', bytesDone, bytesTotal: bytes }),
  });
  if (found === expected) return;
  throw new StalledError(
    'ReadBackMismatch',
    `the slot does not read back as it was written (sha256 ${found} instead of ${expected}): replace the disk`,
  );
}
