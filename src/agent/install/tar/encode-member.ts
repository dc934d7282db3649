import { attributeRecords } from './attributes.ts';
import { paddingOf, TAR_BLOCK_BYTES } from './header.ts';
import { type Member, storedBytes } from './member.ts';
import { encodePaxRecords } from './pax-records.ts';

const TYPES = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
} as const;
const NAME_BYTES = 100;
/** What seven and eleven octal digits hold. */
const MAX_ID = 0o7777777;
const MAX_SIZE = 0o77777777777;

/** Two blocks of zeros. */
export const END_MARK: Buffer = Buffer.alloc(2 * TAR_BLOCK_BYTES);

/**
 * Writes the headers of a member in one dialect, so that the program that unpacks sees only what was understood here.
 * Its data follow as they are stored, then `paddingOf(storedBytes(member))` zeros.
 * @returns a multiple of `TAR_BLOCK_BYTES`; for a sparse file with the map that stands in front of its data
 */
export function encodeMember(member: Member): Buffer {
  const map = member.segments === undefined ? Buffer.alloc(0) : encodeMap(member.segments);
  const stored = map.length + storedBytes(member);
  const records = recordsOf(member, stored);
  const parts: Buffer[] = [];
  if (records.length > 0) parts.push(...extension('x', './PaxHeader', encodePaxRecords(records)));
  // GNU's long names are bytes; those of extended headers are said to be UTF-8.
  if (member.path.length > NAME_BYTES) parts.push(...extension('L', '././@LongLink', toText(member.path)));
  if (member.linkTarget.length > NAME_BYTES) {
    parts.push(...extension('K', '././@LongLink', toText(member.linkTarget)));
  }
  parts.push(header({ ...member, type: TYPES[member.kind], stored }), map);
  return Buffer.concat(parts);
}

type Record = readonly [string, string];

function recordsOf(member: Member, stored: number): Record[] {
  const { sizeBytes, segments, mtime, uid, gid, attributes } = member;
  const records: Record[] = [...attributeRecords(attributes)];
  if (!isOctal(mtime)) records.push(['mtime', mtime]);
  if (uid > MAX_ID) records.push(['uid', String(uid)]);
  if (gid > MAX_ID) records.push(['gid', String(gid)]);
  if (stored > MAX_SIZE) records.push(['size', String(stored)]);
  if (segments !== undefined) {
    records.push(
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.realsize', String(sizeBytes)],
    );
  }
  return records;
}

const isOctal = (mtime: string): boolean => /^\d+$/.test(mtime) && Number(mtime) <= MAX_SIZE;

interface Fields extends Omit<Member, 'kind' | 'sizeBytes' | 'attributes' | 'segments'> {
  readonly type: string;
  readonly stored: number;
}

function header(fields: Fields): Buffer {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  block.write(fields.path.slice(0, NAME_BYTES), 0, 'latin1');
  octal(block, 100, 8, fields.mode);
  octal(block, 108, 8, fields.uid > MAX_ID ? 0 : fields.uid);
  octal(block, 116, 8, fields.gid > MAX_ID ? 0 : fields.gid);
  octal(block, 124, 12, fields.stored > MAX_SIZE ? 0 : fields.stored);
  octal(block, 136, 12, isOctal(fields.mtime) ? Number(fields.mtime) : 0);
  block.write(fields.type, 156, 'latin1');
  block.write(fields.linkTarget.slice(0, NAME_BYTES), 157, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(block, 329, 8, fields.deviceMajor);
  octal(block, 337, 8, fields.deviceMinor);
  block.fill(0x20, 148, 156);
  octal(
    block,
    148,
    7,
    block.reduce((sum, byte) => sum + byte, 0),
  );
  return block;
}

function extension(type: string, path: string, content: Buffer): Buffer[] {
  const zeros = { mode: 0o644, uid: 0, gid: 0, mtime: '0', linkTarget: '', deviceMajor: 0, deviceMinor: 0 };
  return [
    header({ ...zeros, path, type, stored: content.length }),
    content,
    Buffer.alloc(paddingOf(content.length)),
  ];
}

/** Digits, and a zero byte behind them. */
function octal(block: Buffer, at: number, bytes: number, value: number): void {
  block.write(`${value.toString(8).padStart(bytes - 1, '0')}\0`, at, bytes, 'latin1');
}

const toText = (text: string): Buffer => Buffer.from(`${text}\0`, 'latin1');

function encodeMap(segments: readonly { offset: number; bytes: number }[]): Buffer {
  const lines = [segments.length, ...segments.flatMap(({ offset, bytes }) => [offset, bytes])];
  const text = Buffer.from(`${lines.join('\n')}\n`, 'latin1');
  return Buffer.concat([text, Buffer.alloc(paddingOf(text.length))]);
}
