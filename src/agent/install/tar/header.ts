import { imageInvalid } from '../image-format.ts';

/** Archives are made of blocks of so many bytes. */
export const TAR_BLOCK_BYTES = 512;

/** How many zeros fill up the last block of so many bytes. */
export const paddingOf = (bytes: number): number =>
  (TAR_BLOCK_BYTES - (bytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;

/** The fields of one header block, before the extended ones are applied. Texts hold one byte a character. */
export interface Header {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtime: number;
  readonly type: string;
  readonly linkTarget: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

const CHECKSUM = { at: 148, bytes: 8 } as const;
const MAGIC_AT = 257;

/** Whether a block is a header of a tar archive: its checksum is right, whatever the dialect. */
export function isHeader(block: Buffer): boolean {
  if (block.length < TAR_BLOCK_BYTES || block[0] === 0) return false;
  const stored = readNumber(block, CHECKSUM.at, CHECKSUM.bytes);
  return stored !== undefined && (stored === sumOf(block, 0) || stored === sumOf(block, 0x80));
}

/**
 * Tells by the first bytes of an expanded image whether it is a tar archive.
 * @throws StalledError `ImageInvalid` if it says so of itself and is none
 */
export function isArchive(head: Buffer): boolean {
  if (isHeader(head)) return true;
  if (head.toString('latin1', MAGIC_AT, MAGIC_AT + 5) !== 'ustar') return false;
  throw damaged('the checksum of its first header is wrong');
}

/**
 * Reads a header block of any dialect.
 * @source POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format"
 * @throws StalledError `ImageInvalid`
 */
export function parseHeader(block: Buffer): Header {
  if (!isHeader(block)) throw damaged('the checksum of a header is wrong');
  const magic = block.toString('latin1', MAGIC_AT, MAGIC_AT + 8);
  const name = readText(block, 0, 100);
  // GNU's own dialect keeps times where the others keep the beginning of a long name; so does star's, in part.
  const isStar = block.toString('latin1', 508, 512) === 'tar\0';
  const prefix = magic.startsWith('ustar\0') ? readText(block, 345, isStar ? 131 : 155) : '';
  const hasDevice = magic.startsWith('ustar');
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    mode: number(block, 100, 8, 'mode') & 0o7777,
    uid: number(block, 108, 8, 'owner'),
    gid: number(block, 116, 8, 'group'),
    sizeBytes: number(block, 124, 12, 'size'),
    mtime: number(block, 136, 12, 'time'),
    type: String.fromCharCode(block[156] ?? 0),
    linkTarget: readText(block, 157, 100),
    deviceMajor: hasDevice ? number(block, 329, 8, 'device') : 0,
    deviceMinor: hasDevice ? number(block, 337, 8, 'device') : 0,
  };
}

/** A number field: octal digits, or GNU's binary form. @throws StalledError `ImageInvalid` */
export function number(block: Buffer, at: number, bytes: number, what: string): number {
  const value = readNumber(block, at, bytes);
  if (value === undefined || !Number.isSafeInteger(value))
    throw damaged(`the ${what} in a header is no number`);
  return value;
}

function readNumber(block: Buffer, at: number, bytes: number): number | undefined {
  const first = block[at] ?? 0;
  if ((first & 0x80) !== 0) return readBinary(block.subarray(at, at + bytes));
  const text = readText(block, at, bytes).trim();
  if (text === '') return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

/** Big-endian two's complement, of which the first bit only says that it is binary. */
function readBinary(field: Buffer): number {
  const isNegative = ((field[0] ?? 0) & 0x40) !== 0;
  let value = isNegative ? (field[0] ?? 0) - 0x100 : (field[0] ?? 0) & 0x3f;
  for (const byte of field.subarray(1)) value = value * 256 + byte;
  return value;
}

/** A text of one byte a character that ends with its field or with a zero. */
function readText(block: Buffer, at: number, bytes: number): string {
  const end = block.indexOf(0, at);
  return block.toString('latin1', at, end === -1 ? at + bytes : Math.min(end, at + bytes));
}

/** Sums the block with its checksum as blanks; some old programs took bytes as signed. */
function sumOf(block: Buffer, signBit: 0 | 0x80): number {
  let sum = CHECKSUM.bytes * 0x20;
  for (let at = 0; at < TAR_BLOCK_BYTES; at++) {
    const isChecksum = at >= CHECKSUM.at && at < CHECKSUM.at + CHECKSUM.bytes;
    const byte = block[at] ?? 0;
    if (!isChecksum) sum += byte - ((byte & signBit) << 1);
  }
  return sum;
}

/** The refusal of an archive that is not whole or was changed. */
export const damaged = (problem: string): Error =>
  imageInvalid(`the tar archive is damaged (${problem})`, 'pack it anew, with GNU tar');
