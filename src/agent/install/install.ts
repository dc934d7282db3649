import { StalledError } from '../../domain/errors.ts';
import type { StagedImage } from '../ports.ts';
import { fillSlot } from './archive/fill-slot.ts';
import { unpackArchive } from './archive/unpack-archive.ts';
import { expandAny } from './expand.ts';
import { type Fetched, watchFetched } from './fetched.ts';
import { imageInvalid } from './image-format.ts';
import type { Install, InstallOptions } from './install-options.ts';
import { installRaw } from './install-raw.ts';
import { isArchive } from './tar/header.ts';
import { assertChecksum, assertSize } from './verify.ts';

/** So much more is fetched of a file that cannot be expanded, to tell a damaged file from a wrong one. */
const DRAIN_BYTES = 64 * 1024 * 1024;

/**
 * The plain engine: hash, expand, then by what the expanded bytes are. A file system is written as it is; the tar of a
 * root file system is unpacked into one that is made for it. Memory stays constant, but for a record of each file of a
 * tar.
 * @throws StalledError as `Stager.stage` says; whatever `source` throws
 */
export const install: Install = async (source, options) => {
  const fetched = watchFetched(source, bytesDone => {
    options.onProgress({ phase: 'Downloading', bytesDone, bytesTotal: options.fetchedTotal() });
  });
  try {
    const blocks = await expandAny(fetched);
    try {
      return await installExpanded(blocks, fetched, options);
    } finally {
      await blocks.return(undefined);
    }
  } catch (error) {
    // A damaged file mostly shows as one that cannot be read; that it is damaged is the better thing to say.
    const isReadOn = error instanceof StalledError && error.reason === 'ImageInvalid';
    if (isReadOn && (await fetched.drain(DRAIN_BYTES))) {
      assertChecksum(options.checksum, fetched.digest(), error.message);
    }
    throw error;
  }
};

async function installExpanded(
  blocks: AsyncIterator<Buffer>,
  fetched: Fetched,
  options: InstallOptions,
): Promise<StagedImage> {
  const first = await blocks.next();
  if (first.done) throw imageInvalid('the image is empty', 'give a root file system, raw or as a tar');
  const all = startingWith(first.value, blocks);
  return isArchive(first.value)
    ? installArchive(all, fetched, options)
    : installRaw(all, { ...options, fetched });
}

async function* startingWith(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

async function installArchive(
  blocks: AsyncIterator<Buffer>,
  fetched: Fetched,
  options: InstallOptions,
): Promise<StagedImage> {
  const { request, held, signal, onProgress } = options;
  const { image, slot } = request;
  let staged = { checksum: '', expandedBytes: 0 };
  const plan = await options.planFileSystem();
  const superblockHash = await fillSlot({ slot, held, plan, signal, onProgress }, async filling => {
    const expandedBytes = await unpackArchive(filling, blocks, bytes =>
      assertSize(image.size, bytes, 'so far'),
    );
    const digest = fetched.digest();
    assertChecksum(options.checksum, digest);
    assertSize(image.size, expandedBytes);
    staged = { checksum: `sha256:${digest}`, expandedBytes };
  });
  return { ...staged, superblockHash };
}
