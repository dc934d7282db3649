/** Asks for the next block only when what came of the last one has been taken. */
export async function* paced(
  blocks: AsyncIterator<Buffer>,
  settle: () => Promise<void>,
): AsyncGenerator<Buffer> {
  for (let next = await blocks.next(); !next.done; next = await blocks.next()) {
    yield next.value;
    await settle();
  }
}

/** Counts what goes by. */
export function counted(
  blocks: AsyncIterator<Buffer>,
  onBytes: (bytes: number) => void = () => undefined,
): {
  readonly blocks: AsyncIterator<Buffer>;
  bytes(): number;
} {
  let bytes = 0;
  return {
    bytes: () => bytes,
    blocks: {
      next: async () => {
        const next = await blocks.next();
        if (!next.done) bytes += next.value.length;
        onBytes(bytes);
        return next;
      },
    },
  };
}
