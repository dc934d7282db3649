import { createHash } from 'node:crypto';
import { type Peekable, peekable } from './peekable.ts';

/** A fetched file that is counted and hashed as it goes by. */
export interface Fetched extends Peekable {
  /** Reads on to the end, at most `limit` bytes; false if there was more. */
  drain(limit: number): Promise<boolean>;
  /** SHA-256 of everything, hex; when the end has been reached. */
  digest(): string;
}

/** Counts and hashes what `source` yields. */
export function watchFetched(source: AsyncIterator<Buffer>, onBytes: (done: number) => void): Fetched {
  const hash = createHash('sha256');
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
    ...peekable(pull),
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
