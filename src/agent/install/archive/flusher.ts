import { run } from '../../host/run.ts';

/** So much is on its way to the disk at most, twice: a flush at the very end alone would take minutes. */
const FLUSH_EVERY_BYTES = 64 * 1024 * 1024;
const LIMIT_MS = 10 * 60_000;

/** Flushes a mounted file system while it is being filled. What the disk refuses is told when it is unmounted. */
export class Flusher {
  readonly #root: string;
  readonly #signal: AbortSignal;
  #unflushed = 0;
  #work: Promise<unknown> = Promise.resolve();

  constructor(root: string, signal: AbortSignal) {
    this.#root = root;
    this.#signal = signal;
  }

  /** So many more bytes were written. Waits for the last flush when it is time for another. */
  async wrote(bytes: number): Promise<void> {
    this.#unflushed += bytes;
    if (this.#unflushed < FLUSH_EVERY_BYTES) return;
    this.#unflushed = 0;
    await this.#work;
    const flush = run(['sync', '-f', '--', this.#root], { timeoutMs: LIMIT_MS, signal: this.#signal });
    this.#work = flush.catch(() => undefined);
  }

  /** Waits until nothing of ours uses the file system. */
  async settled(): Promise<void> {
    await this.#work;
  }
}
