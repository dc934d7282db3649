import { damaged, number } from './header.ts';
import type { Segment } from './member.ts';
import type { PaxRecords } from './pax-records.ts';

/** Where a block of a header keeps what GNU's own dialect says of holes. */
const IN_HEADER = { at: 386, entries: 4, moreAt: 482 } as const;
const IN_EXTENSION = { at: 0, entries: 21, moreAt: 504 } as const;
const REAL_SIZE_AT = 483;
const FIELD_BYTES = 12;

/** What one block says of holes. @source GNU tar manual, "Storing Sparse Files" */
export interface SparseBlock {
  readonly segments: readonly Segment[];
  /** Another block of the kind follows. */
  readonly hasMore: boolean;
}

/** Reads the map in the header itself, or in a block that extends it. @throws StalledError `ImageInvalid` */
export function parseSparseBlock(block: Buffer, where: 'header' | 'extension'): SparseBlock {
  const layout = where === 'header' ? IN_HEADER : IN_EXTENSION;
  const segments: Segment[] = [];
  for (let entry = 0; entry < layout.entries; entry++) {
    const at = layout.at + entry * 2 * FIELD_BYTES;
    if (block[at + FIELD_BYTES] === 0) break;
    const offset = number(block, at, FIELD_BYTES, 'map of holes');
    segments.push({ offset, bytes: number(block, at + FIELD_BYTES, FIELD_BYTES, 'map of holes') });
  }
  return { segments, hasMore: block[layout.moreAt] !== 0 };
}

/** The length of a sparse file of GNU's own dialect. */
export const realSize = (block: Buffer): number => number(block, REAL_SIZE_AT, FIELD_BYTES, 'size');

/** What extended headers say of holes. */
export interface PaxSparse {
  readonly name: string | undefined;
  readonly sizeBytes: number;
  /** Absent where the map stands in front of the data. */
  readonly segments: readonly Segment[] | undefined;
}

/** Reads the three forms of sparse files in extended headers; undefined if the member is not sparse. */
export function parsePaxSparse(records: PaxRecords): PaxSparse | undefined {
  const value = (key: string): string | undefined =>
    records.findLast(([name]) => name === `GNU.sparse.${key}`)?.[1];
  const name = value('name');
  if (value('major') === '1' && value('minor') === '0') {
    return { name, sizeBytes: toSize(value('realsize')), segments: undefined };
  }
  const size = value('size');
  if (size === undefined) return undefined;
  const pairs =
    value('map')?.split(',') ??
    records.filter(([key]) => /^GNU\.sparse\.(offset|numbytes)$/.test(key)).map(([, number]) => number);
  return { name, sizeBytes: toSize(size), segments: toSegments(pairs) };
}

/** Pairs of offset and length, decimal. @throws StalledError `ImageInvalid` */
export function toSegments(numbers: readonly string[]): Segment[] {
  const segments: Segment[] = [];
  for (let at = 0; at + 1 < numbers.length; at += 2) {
    segments.push({ offset: toSize(numbers[at]), bytes: toSize(numbers[at + 1]) });
  }
  if (numbers.length % 2 !== 0) throw damaged('the map of holes of a file is malformed');
  return segments;
}

/** Proves that a map is in order and ends within the file. @throws StalledError `ImageInvalid` */
export function assertMap(segments: readonly Segment[], sizeBytes: number): void {
  let end = 0;
  for (const { offset, bytes } of segments) {
    if (offset < end) throw damaged('the map of holes of a file is not in order');
    end = offset + bytes;
  }
  if (end > sizeBytes) throw damaged('the map of holes of a file goes past its end');
}

/** A decimal number of bytes. @throws StalledError `ImageInvalid` */
export function toSize(text: string | undefined): number {
  const value = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw damaged('a size in an extended header is no number');
  return value;
}
