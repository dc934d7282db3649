import { createHash, type Hash } from 'node:crypto';

const BLOCK_BYTES = 4096;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

/**
 * SHA-256 over a file's content and where it lies, in which a hole and zeros are the same: so two programs that see
 * other holes in the same file agree, and a hole of a terabyte costs nothing.
 */
export class ContentHash {
  readonly #hash: Hash = createHash('sha256');
  /** Of the run of blocks that are not zero. */
  #runStart = -1;
  #runEnd = -1;
  /** A block that came in part so far. */
  #partial: Buffer | undefined;
  #partialStart = -1;

  /** Takes what stands at `offset`; later calls only go on from there. */
  update(offset: number, bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) {
      const position = offset + done;
      const within = position % BLOCK_BYTES;
      if (this.#partialStart !== -1 && this.#partialStart !== position - within) this.#endPartial();
      const isWhole = within === 0 && bytes.length - done >= BLOCK_BYTES;
      done += isWhole
        ? this.#takeWhole(position, bytes.subarray(done))
        : this.#takePart(position, bytes.subarray(done));
    }
  }

  /** One byte a character. Of a file of `sizeBytes`, whatever it ends with. */
  digest(sizeBytes: number): string {
    this.#endPartial();
    this.#endRun();
    return this.#hash.update(`${sizeBytes}`).digest().toString('latin1');
  }

  #takeWhole(position: number, bytes: Buffer): number {
    const end = bytes.length - (bytes.length % BLOCK_BYTES);
    let from = 0;
    for (let at = 0; at < end; at += BLOCK_BYTES) {
      const isZero = bytes[at] === 0 && ZEROS.compare(bytes, at, at + BLOCK_BYTES) === 0;
      if (!isZero) continue;
      this.#add(position + from, bytes.subarray(from, at));
      from = at + BLOCK_BYTES;
    }
    this.#add(position + from, bytes.subarray(from, end));
    return end;
  }

  #takePart(position: number, bytes: Buffer): number {
    const within = position % BLOCK_BYTES;
    this.#partial ??= Buffer.alloc(BLOCK_BYTES);
    this.#partialStart = position - within;
    return bytes.copy(this.#partial, within, 0, BLOCK_BYTES - within);
  }

  #endPartial(): void {
    if (this.#partial === undefined || this.#partialStart === -1) return;
    if (ZEROS.compare(this.#partial) !== 0) this.#add(this.#partialStart, this.#partial);
    this.#partial.fill(0);
    this.#partialStart = -1;
  }

  /** Bytes of whole blocks, none of which is zero. */
  #add(position: number, bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (position !== this.#runEnd) {
      this.#endRun();
      this.#runStart = position;
    }
    this.#hash.update(bytes);
    this.#runEnd = position + bytes.length;
  }

  #endRun(): void {
    if (this.#runStart !== -1) this.#hash.update(`${this.#runStart}-${this.#runEnd} `);
    this.#runStart = -1;
  }
}
