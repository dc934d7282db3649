import { ByteSource } from './byte-source.ts';
import { damaged, paddingOf, parseHeader, TAR_BLOCK_BYTES } from './header.ts';
import { type Member, type Segment, storedBytes } from './member.ts';
import { MemberBuilder } from './member-builder.ts';
import { toSegments } from './sparse-map.ts';

/** What happens in an archive, in its order: a member, its data from first to last, its end. */
export type TarEvent =
  | { readonly type: 'member'; readonly member: Member }
  /** Valid until the next event is asked for. `offset` is the place in the file, holes counted. */
  | { readonly type: 'data'; readonly offset: number; readonly bytes: Buffer }
  | { readonly type: 'memberEnd' };

/** Longer headers than this are no headers: names and extended attributes of a file are far shorter. */
const MAX_EXTENSION_BYTES = 1024 * 1024;
const MAX_MAP_BYTES = 16 * 1024 * 1024;

/**
 * Reads a tar archive of any dialect as it goes by: v7, ustar, pax, GNU and star, sparse files in every form.
 * @param afterEnd what to do with bytes other than zeros behind the archive's end mark
 * @throws StalledError `ImageInvalid`; whatever `blocks` throws
 */
export async function* readTar(
  blocks: AsyncIterator<Buffer>,
  afterEnd: 'refuse' | 'ignore',
): AsyncGenerator<TarEvent> {
  const source = new ByteSource(blocks);
  const builder = new MemberBuilder();
  for (;;) {
    const block = await source.exactly(TAR_BLOCK_BYTES);
    if (block === undefined) throw damaged('it ends without its end mark, so it was cut off');
    if (isZero(block)) break;
    const header = parseHeader(block);
    if (builder.wantsContent(header)) {
      builder.takeContent(header, await readContent(source, header.sizeBytes, MAX_EXTENSION_BYTES));
      continue;
    }
    let more = builder.begin(header, block);
    while (more) more = builder.takeSparseBlock(await required(source, TAR_BLOCK_BYTES));
    if (builder.isIgnored(header)) {
      await skip(source, paddedTo(header.sizeBytes));
      continue;
    }
    yield* readMember(source, builder);
  }
  if (builder.isUnfinished()) throw damaged('it ends within a member');
  await readToEnd(source, afterEnd);
}

async function* readMember(source: ByteSource, builder: MemberBuilder): AsyncGenerator<TarEvent> {
  const start = source.position;
  if (builder.hasMapInData()) builder.takeMap(await readMap(source));
  const mapBytes = source.position - start;
  const member = builder.finish(mapBytes);
  yield { type: 'member', member };
  for (const { offset, bytes } of member.segments ?? whole(member)) {
    for (let done = 0; done < bytes; ) {
      const part = await source.some(bytes - done);
      if (part === undefined) throw damaged('it ends within a file, so it was cut off');
      yield { type: 'data', offset: offset + done, bytes: part };
      done += part.length;
    }
  }
  await skip(source, paddingOf(storedBytes(member)));
  yield { type: 'memberEnd' };
}

const whole = ({ sizeBytes, kind }: Member): readonly Segment[] =>
  kind === 'file' ? [{ offset: 0, bytes: sizeBytes }] : [];

/** The map in front of the data: lines of decimal numbers, the first of which counts the pairs. */
async function readMap(source: ByteSource): Promise<Segment[]> {
  const lines: string[] = [];
  let begun = '';
  for (let read = 0; read <= MAX_MAP_BYTES; read += TAR_BLOCK_BYTES) {
    const text = (await required(source, TAR_BLOCK_BYTES)).toString('latin1');
    const [first = '', ...others] = text.split('\n');
    begun += first;
    for (const line of others) {
      lines.push(begun);
      begun = line;
    }
    if (lines.length === 0) continue;
    const count = Number(lines[0]);
    if (!(count >= 0 && count <= MAX_MAP_BYTES)) break;
    if (lines.length > 2 * count) return toSegments(lines.slice(1, 2 * count + 1));
  }
  throw damaged('the map of holes of a file is malformed');
}

const paddedTo = (bytes: number): number => bytes + paddingOf(bytes);

async function readContent(source: ByteSource, bytes: number, limit: number): Promise<Buffer> {
  if (bytes < 0 || bytes > limit) throw damaged('an extended header is longer than any is');
  return Buffer.from((await required(source, paddedTo(bytes))).subarray(0, bytes));
}

async function required(source: ByteSource, bytes: number): Promise<Buffer> {
  const found = await source.exactly(bytes);
  if (found === undefined) throw damaged('it ends within a member, so it was cut off');
  return found;
}

async function skip(source: ByteSource, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; ) {
    const part = await source.some(left);
    if (part === undefined) throw damaged('it ends within a member, so it was cut off');
    left -= part.length;
  }
}

/** Reads on, so that the digest covers everything. */
async function readToEnd(source: ByteSource, afterEnd: 'refuse' | 'ignore'): Promise<void> {
  for (let part = await source.some(Infinity); part !== undefined; part = await source.some(Infinity)) {
    if (afterEnd === 'refuse' && !isZero(part)) throw damaged('something follows after its end mark');
  }
}

const isZero = (bytes: Buffer): boolean =>
  bytes.length === 0 || (bytes[0] === 0 && bytes.compare(bytes, 0, bytes.length - 1, 1) === 0);
