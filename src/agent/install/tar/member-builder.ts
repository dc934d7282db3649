import { imageInvalid } from '../image-format.ts';
import { attributesFrom } from './attributes.ts';
import { damaged, type Header } from './header.ts';
import { displayName, type Kind, type Member, type Segment } from './member.ts';
import { type PaxRecords, parsePaxRecords } from './pax-records.ts';
import {
  assertMap,
  type PaxSparse,
  parsePaxSparse,
  parseSparseBlock,
  realSize,
  toSize,
} from './sparse-map.ts';

const KINDS: Readonly<Record<string, Kind | 'hardlink'>> = {
  '\0': 'file',
  0: 'file',
  7: 'file',
  S: 'file',
  1: 'hardlink',
  2: 'symlink',
  3: 'character',
  4: 'block',
  5: 'directory',
  6: 'fifo',
};
const TIME = /^-?\d{1,15}(\.\d{1,9})?/;

/** Gathers what several headers say of one member. */
export class MemberBuilder {
  #global: PaxRecords = [];
  #local: PaxRecords = [];
  #longPath: string | undefined;
  #longLink: string | undefined;
  #header: Header | undefined;
  #sparse: PaxSparse | undefined;
  #segments: Segment[] | undefined;
  #realSize = 0;

  /** Whether a header only extends the one that follows, by what it is followed by itself. */
  wantsContent({ type }: Header): boolean {
    return ['x', 'X', 'g', 'L', 'K'].includes(type);
  }

  takeContent({ type }: Header, content: Buffer): void {
    if (type === 'L') this.#longPath = content.toString('latin1').replace(/\0.*$/s, '');
    else if (type === 'K') this.#longLink = content.toString('latin1').replace(/\0.*$/s, '');
    else if (type === 'g') this.#global = [...this.#global, ...parsePaxRecords(content)];
    else this.#local = parsePaxRecords(content);
  }

  /** Begins a member; returns whether a block with more of its map of holes follows. */
  begin(header: Header, block: Buffer): boolean {
    this.#header = header;
    this.#sparse = undefined;
    this.#segments = undefined;
    if (header.type !== 'S') {
      this.#sparse = parsePaxSparse(this.#local);
      this.#segments = this.#sparse?.segments?.slice();
      return false;
    }
    const { segments, hasMore } = parseSparseBlock(block, 'header');
    this.#segments = [...segments];
    this.#realSize = realSize(block);
    return hasMore;
  }

  takeSparseBlock(block: Buffer): boolean {
    const { segments, hasMore } = parseSparseBlock(block, 'extension');
    this.#segments?.push(...segments);
    return hasMore;
  }

  /** A volume's label is no file. */
  isIgnored({ type }: Header): boolean {
    return type === 'V';
  }

  hasMapInData(): boolean {
    return this.#sparse !== undefined && this.#sparse.segments === undefined;
  }

  takeMap(segments: readonly Segment[]): void {
    this.#segments = segments.slice();
  }

  isUnfinished(): boolean {
    return this.#local.length > 0 || this.#longPath !== undefined || this.#longLink !== undefined;
  }

  /** @param mapBytes what the map of holes in front of the data took */
  finish(mapBytes: number): Member {
    const header = this.#header;
    if (header === undefined) throw damaged('a header is missing');
    const path = this.#sparse?.name ?? this.#value('path') ?? this.#longPath ?? header.path;
    const kind = kindOf(header, path);
    // Some programs give other members a size too; nothing follows them all the same.
    const stored = kind === 'file' ? toSizeOr(this.#value('size'), header.sizeBytes) - mapBytes : 0;
    if (stored < 0) throw damaged(`the size of ${displayName(path)} is none`);
    const member: Member = {
      path,
      kind,
      mode: header.mode,
      uid: toSizeOr(this.#value('uid'), header.uid),
      gid: toSizeOr(this.#value('gid'), header.gid),
      mtime: TIME.exec(this.#value('mtime') ?? '')?.[0] ?? String(header.mtime),
      sizeBytes: stored,
      linkTarget: this.#value('linkpath') ?? this.#longLink ?? header.linkTarget,
      deviceMajor: header.deviceMajor,
      deviceMinor: header.deviceMinor,
      attributes: attributesFrom([...this.#global, ...this.#local]),
    };
    const finished = this.#segments === undefined ? member : this.#withHoles(member, this.#segments, stored);
    this.#local = [];
    this.#longPath = undefined;
    this.#longLink = undefined;
    return finished;
  }

  #withHoles(member: Member, segments: readonly Segment[], stored: number): Member {
    const sizeBytes = this.#sparse?.sizeBytes ?? this.#realSize;
    assertMap(segments, sizeBytes);
    const mapped = segments.reduce((sum, { bytes }) => sum + bytes, 0);
    if (mapped !== stored)
      throw damaged(`the map of holes of ${displayName(member.path)} does not fit its data`);
    return { ...member, sizeBytes, segments };
  }

  #value(key: string): string | undefined {
    const isKey = ([name]: readonly [string, string]) => name === key;
    return (this.#local.findLast(isKey) ?? this.#global.findLast(isKey))?.[1];
  }
}

function kindOf({ type }: Header, path: string): Kind | 'hardlink' {
  const kind = KINDS[type];
  // The oldest archives tell a folder by its name alone.
  if ((type === '\0' || type === '0') && path.endsWith('/')) return 'directory';
  if (kind !== undefined) return kind;
  throw imageInvalid(
    `${displayName(path)} in the tar archive is of the unknown type ${JSON.stringify(type)}`,
    'pack it anew, with GNU tar',
  );
}

const toSizeOr = (text: string | undefined, otherwise: number): number =>
  text === undefined || text === '' ? otherwise : toSize(text);
