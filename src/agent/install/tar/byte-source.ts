/**
 * Bytes by number from blocks of any size. What `exactly` and `some` return is valid until the next call but, as the
 * blocks are, at most until the next block but one has been taken.
 */
export class ByteSource {
  readonly #blocks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  #done = 0;

  constructor(blocks: AsyncIterator<Buffer>) {
    this.#blocks = blocks;
  }

  /** How many bytes were taken. */
  get position(): number {
    return this.#done;
  }

  /** So many bytes; undefined if there are fewer. */
  async exactly(count: number): Promise<Buffer | undefined> {
    if (this.#rest.length >= count) return this.#take(count);
    const parts: Buffer[] = [];
    for (let missing = count; missing > 0; ) {
      const part = await this.some(missing);
      if (part === undefined) return undefined;
      // A block may be used again while the next is waited for.
      parts.push(Buffer.from(part));
      missing -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** From one byte to `limit`, as they come; undefined at the end. */
  async some(limit: number): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#blocks.next();
      if (next.done) return undefined;
      this.#rest = next.value;
    }
    return this.#take(Math.min(limit, this.#rest.length));
  }

  #take(count: number): Buffer {
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    this.#done += count;
    return taken;
  }
}
