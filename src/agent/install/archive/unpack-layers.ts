import { expandAny } from '../expand.ts';
import { imageInvalid } from '../image-format.ts';
import { type Peekable, peekable } from '../peekable.ts';
import type { Member } from '../tar/member.ts';
import { readTar, type TarEvent } from '../tar/tar-reader.ts';
import { partsOf } from '../tree/resolve.ts';
import { type Whiteout, whiteoutOf } from '../tree/whiteouts.ts';
import type { Filling } from './fill-slot.ts';
import { counted, paced } from './paced.ts';
import { assertNotEmpty, unpackArchive } from './unpack-archive.ts';

/** A regular file of this name at the top of an image is the root file system, and nothing else of the image is. */
const PAYLOAD = 'os.tar';

/**
 * Unpacks the layers of a container image in their order, the lowest first: either the files of the image itself, or
 * what lies in its `/os.tar`. Nothing is fetched twice.
 */
export class LayerUnpacker {
  readonly #filling: Filling;
  #layer = -1;
  #expandedBytes = 0;
  /** The last `os.tar` that was met: from the first on the image's own files do not count. */
  #payload: { readonly layer: number; readonly isThere: boolean } | undefined;
  #isInPayload = false;

  constructor(filling: Filling) {
    this.#filling = filling;
  }

  /** @throws StalledError `ImageInvalid`, `ImageTooLarge`; what the layer's bytes throw */
  async take(layer: Peekable): Promise<void> {
    this.#layer++;
    const expanded = await expandAny(layer);
    try {
      const source = counted(paced(expanded, () => this.#settle()));
      const events = readTar(source.blocks, 'ignore');
      for await (const event of events) await this.#see(event, events);
      this.#expandedBytes += source.bytes();
    } finally {
      await expanded.return(undefined);
    }
    await this.#filling.unpacker().endLayer();
    if (this.#payload?.isThere === false) throw payloadUnclear('is removed again by a layer');
  }

  /**
   * To be called behind the last layer.
   * @returns how many bytes all layers expand to
   * @throws StalledError `ImageInvalid`
   */
  finish(): number {
    const unpacker = this.#filling.unpacker();
    const found = unpacker.tree.children?.get(PAYLOAD);
    if (this.#payload === undefined && found?.inode.kind === 'file') throw payloadUnclear('is a link');
    assertNotEmpty(unpacker);
    return this.#expandedBytes;
  }

  /** What stands inside `os.tar` has a pace of its own. */
  async #settle(): Promise<void> {
    if (!this.#isInPayload) await this.#filling.unpacker().settle();
  }

  async #see(event: TarEvent, events: AsyncGenerator<TarEvent>): Promise<void> {
    if (event.type !== 'member') return this.#filling.unpacker().take(event, this.#layer);
    const { member } = event;
    const isPayload = partsOf(member.path).join('/') === PAYLOAD;
    if (isPayload && member.kind === 'file') return this.#takePayload(member, events);
    const whiteout = whiteoutOf(member.path);
    if (this.#payload === undefined && whiteout.type === 'none') {
      return this.#filling.unpacker().take(event, this.#layer);
    }
    if (this.#payload === undefined) this.#filling.unpacker().whiteOut(whiteout, this.#layer);
    else if (isPayload || (hidesPayload(whiteout) && this.#payload.layer < this.#layer)) {
      this.#payload = { ...this.#payload, isThere: false };
    }
    await skipMember(events);
  }

  async #takePayload(member: Member, events: AsyncGenerator<TarEvent>): Promise<void> {
    if (member.segments !== undefined) throw payloadUnclear('is a sparse file');
    await this.#filling.restart();
    this.#isInPayload = true;
    const expanded = await expandAny(peekable(contentOf(events)));
    try {
      await unpackArchive(this.#filling, expanded);
    } finally {
      await expanded.return(undefined);
      this.#isInPayload = false;
    }
    this.#payload = { layer: this.#layer, isThere: true };
  }
}

const hidesPayload = (whiteout: Whiteout): boolean =>
  (whiteout.type === 'removed' && whiteout.path === PAYLOAD) ||
  (whiteout.type === 'emptied' && whiteout.path === '');

/** The rest of a member that was begun. Its bytes are copied, as who expands them reads ahead. */
function contentOf(events: AsyncGenerator<TarEvent>): () => Promise<IteratorResult<Buffer>> {
  let isOver = false;
  return async () => {
    const next = isOver ? undefined : await events.next();
    if (next?.value?.type === 'data') return { done: false, value: Buffer.from(next.value.bytes) };
    isOver = true;
    return { done: true, value: undefined };
  };
}

async function skipMember(events: AsyncGenerator<TarEvent>): Promise<void> {
  for (let next = await events.next(); !next.done; next = await events.next()) {
    if (next.value.type === 'memberEnd') return;
  }
}

const payloadUnclear = (how: string): Error =>
  imageInvalid(
    `/${PAYLOAD} of the image ${how}, so it is not clear which root file system is meant`,
    `build the image anew, with ${PAYLOAD} as a plain file of one layer`,
  );
