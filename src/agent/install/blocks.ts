/** Bytes that are written, and read back, at once. */
export const BLOCK_BYTES = 4 * 1024 * 1024;
/** Unbuffered access is to whole pages, in memory and on the disk. */
export const PAGE_BYTES = 4096;

/** The part of the global object that the compiler's libraries without a browser do not declare. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};

const WASM_PAGE_BYTES = 65_536;

/** A buffer that begins at a page of memory, as unbuffered disk access wants it; Node's own do not. */
export function alignedBuffer(bytes: number): Buffer {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  return Buffer.from(memory.buffer, 0, bytes);
}

/**
 * Regroups chunks of any size into blocks of `BLOCK_BYTES`; the last may be shorter. Two buffers take turns: a block
 * is valid until the next but one is asked for, so that one can be written while the next is filled.
 */
export async function* toBlocks(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let [filling, other] = [alignedBuffer(BLOCK_BYTES), alignedBuffer(BLOCK_BYTES)];
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.copy(filling, filled, at);
      at += taken;
      filled += taken;
      if (filled < BLOCK_BYTES) continue;
      yield filling;
      [filling, other] = [other, filling];
      filled = 0;
    }
  }
  if (filled > 0) yield filling.subarray(0, filled);
}
