import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { alignedBuffer, BLOCK_BYTES } from './blocks.ts';

/** One block is filled, one is looked at, and one is written. */
const BUFFERS = 3;

/** Reads what a program prints, in blocks of `BLOCK_BYTES`, of which the last may be shorter. */
export interface BlockReader {
  /** The end that the program gets as its standard output; to be destroyed here once it has it. */
  readonly programsEnd: Socket;
  /** A block is valid until the next but one is asked for. */
  blocks(): AsyncGenerator<Buffer>;
  destroy(): void;
}

/**
 * Opens the two ends. What comes is read straight into the blocks: a stream would allocate a small buffer for each
 * piece and copy it, at twice the price.
 */
export async function openBlockReader(): Promise<BlockReader> {
  const server = createServer({ pauseOnConnect: true });
  // In the abstract name space: no file stays behind.
  const path = `\0twinslot-${randomUUID()}`;
  server.listen(path);
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const reader = new SocketBlocks(path);
  const [programsEnd] = await accepted;
  server.close();
  return {
    programsEnd,
    blocks: () => reader.blocks(),
    destroy: () => {
      programsEnd.destroy();
      reader.destroy();
    },
  };
}

class SocketBlocks {
  readonly #buffers = Array.from({ length: BUFFERS }, () => alignedBuffer(BLOCK_BYTES));
  readonly #socket: Socket;
  #asked = 0;
  #full = 0;
  #bytesInNext = 0;
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(path: string) {
    const onread = { buffer: () => this.#space(), callback: (bytes: number) => this.#take(bytes) };
    this.#socket = connect({ path, onread });
    const end = (): void => {
      this.#isOver = true;
      this.#wake();
    };
    // A connection that breaks shows as too few bytes, and in how the program ended.
    this.#socket.on('end', end).on('close', end).on('error', end);
  }

  async *blocks(): AsyncGenerator<Buffer> {
    for (;;) {
      const index = this.#asked++;
      if (this.#hasRoom()) this.#socket.resume();
      while (this.#full <= index && !this.#isOver) {
        await new Promise<void>(resolve => {
          this.#wake = resolve;
        });
      }
      if (this.#full > index) yield this.#buffer(index);
      else {
        if (this.#bytesInNext > 0) yield this.#buffer(index).subarray(0, this.#bytesInNext);
        return;
      }
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #buffer(index: number): Buffer {
    return this.#buffers[index % BUFFERS] ?? Buffer.alloc(0);
  }

  /** Asked for before every read, also before one that waits until there is room. */
  #space(): Buffer {
    return this.#buffer(this.#full).subarray(this.#bytesInNext);
  }

  /** @returns whether to read on */
  #take(bytes: number): boolean {
    this.#bytesInNext += bytes;
    if (this.#bytesInNext < BLOCK_BYTES) return true;
    this.#full++;
    this.#bytesInNext = 0;
    this.#wake();
    return this.#hasRoom();
  }

  /** Whether the block that comes next takes the place of one that nobody looks at any more. */
  #hasRoom(): boolean {
    return this.#full < BUFFERS || this.#full <= this.#asked;
  }
}
