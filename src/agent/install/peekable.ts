/** Bytes of which the first can be looked at. */
export interface Peekable {
  readonly bytes: AsyncIterator<Buffer>;
  /** The first bytes, without taking them away; fewer if there are no more. */
  peek(count: number): Promise<Buffer>;
}

/** Makes the first bytes of what `pull` gives ones that can be looked at. */
export function peekable(pull: () => Promise<IteratorResult<Buffer>>): Peekable {
  const peeked: Buffer[] = [];
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
  };
}
