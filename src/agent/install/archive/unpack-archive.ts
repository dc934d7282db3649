import { imageInvalid } from '../image-format.ts';
import { readTar } from '../tar/tar-reader.ts';
import type { Filling } from './fill-slot.ts';
import { counted, paced } from './paced.ts';
import type { Unpacker } from './unpacker.ts';

/**
 * Unpacks one archive, which is all that the slot shall hold.
 * @param blocks the expanded archive, each valid until the next but one is asked for
 * @param onBytes told how many bytes came so far; it may throw
 * @returns how many bytes it has
 * @throws StalledError `ImageInvalid`, `ImageTooLarge`; whatever `blocks` throws
 */
export async function unpackArchive(
  filling: Filling,
  blocks: AsyncIterator<Buffer>,
  onBytes?: (bytes: number) => void,
): Promise<number> {
  const source = counted(
    paced(blocks, () => filling.unpacker().settle()),
    onBytes,
  );
  const unpacker = filling.unpacker();
  for await (const event of readTar(source.blocks, 'refuse')) await unpacker.take(event, 0);
  assertNotEmpty(unpacker);
  return source.bytes();
}

/** @throws StalledError `ImageInvalid` */
export function assertNotEmpty(unpacker: Unpacker): void {
  if (unpacker.members > 0) return;
  throw imageInvalid('the tar archive is empty', 'pack a root file system: tar -C TREE -c .');
}
