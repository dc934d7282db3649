import { createHash } from 'node:crypto';

/** A fetched file that is counted and hashed as it goes by. */
export interface Fetched {
  readonly bytes: AsyncIterator<Buffer>;
  /** The first bytes, without taking them away; fewer if the file is shorter. */
  peek(count: number): Promise<Buffer>;
  /** Reads on to the end, at most `limit` bytes; false if there was more. */
  drain(limit: number): Promise<boolean>;
  /** SHA-256 of everything, hex; when the end has been reached. */
  digest(): string;
}

/** Counts and hashes what `source` yields. */
export function watchFetched(source: AsyncIterator<Buffer>, onBytes: (done: number) => void): Fetched {
  const hash = createHash('sha256');
  const peeked: Buffer[] = [];
  let done = 0;
  let digest: string | undefined;
  const pull = async (): Promise<IteratorResult<Buffer>> => {
    const next = await source.next();
    if (next.done) return next;
    hash.update(next.value);
    done += next.value.length;
    onBytes(done);
    return next;
  };
  return {
    bytes: {
      next: async () => {
        const first = peeked.shift();
        return first === undefined ? pull() : { done: false, value: first };
      },
    },
    peek: async count => {
      let length = peeked.reduce((sum, chunk) => sum + chunk.length, 0);
      while (length < count) {
        const next = await pull();
        if (next.done) break;
        peeked.push(next.value);
        length += next.value.length;
      }
      return Buffer.concat(peeked).subarray(0, count);
    },
    drain: async limit => {
      const end = done + limit;
      while (done <= end) if ((await pull()).done) return true;
      return false;
    },
    digest: () => {
      digest ??= hash.digest('hex');
      return digest;
    },
  };
}
