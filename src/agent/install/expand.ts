import { Decompress } from 'fzstd';
import { StalledError } from '../../domain/errors.ts';
import { toBlocks } from './blocks.ts';
import { expandByProgram, startExpander } from './expander-program.ts';
import { detectPacking, imageInvalid, type Packing } from './image-format.ts';
import type { Peekable } from './peekable.ts';

/** A block of zstd can expand ten-thousandfold, so the library is fed little at a time. */
const LIBRARY_SLICE_BYTES = 4096;

/**
 * Expands a fetched file, in blocks of `BLOCK_BYTES` of which the last may be shorter. A block is valid until the next
 * but one is asked for.
 * @param source is not closed at an error, so that the caller can read on
 * @throws StalledError `ImageInvalid`, `ProgramMissing`
 */
export async function* expand(packing: Packing, source: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  const program = packing === 'plain' ? undefined : await startExpander(packing);
  if (program !== undefined) yield* expandByProgram(program, source);
  else if (packing === 'zstd') yield* toBlocks(expandByLibrary(source));
  else if (packing === 'plain') yield* toBlocks(allOf(source));
  else throw missing(packing);
}

/** A packing needs so many bytes to be told. */
const PACKING_BYTES = 512;

/**
 * Expands whatever packing the bytes show.
 * @throws StalledError `ImageInvalid` for a packing that is not supported
 */
export const expandAny = async (source: Peekable): Promise<AsyncGenerator<Buffer>> =>
  expand(detectPacking(await source.peek(PACKING_BYTES)), source.bytes);

const missing = (packing: Packing): StalledError =>
  new StalledError(
    'ProgramMissing',
    `the image is packed with ${packing}, but the program ${packing} is not there: install it where the agent runs, ` +
      'or pack the image with zstd',
  );

async function* allOf(source: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  for (let next = await source.next(); !next.done; next = await source.next()) yield next.value;
}

/** Expands without the `zstd` program, several times slower. */
export async function* expandByLibrary(source: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  const ready: Buffer[] = [];
  const decompress = new Decompress(chunk => {
    ready.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  });
  const push = (bytes: Uint8Array, isLast: boolean) => {
    try {
      decompress.push(bytes, isLast);
    } catch (cause) {
      throw imageInvalid('the image is no whole zstd file', 'pack it anew', cause);
    }
  };
  for (let next = await source.next(); !next.done; next = await source.next()) {
    for (let at = 0; at < next.value.length; at += LIBRARY_SLICE_BYTES) {
      push(next.value.subarray(at, at + LIBRARY_SLICE_BYTES), false);
      yield* ready.splice(0);
    }
  }
  push(new Uint8Array(0), true);
  yield* ready.splice(0);
}
