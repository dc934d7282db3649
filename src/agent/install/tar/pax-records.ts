import { damaged } from './header.ts';

/** The records of an extended header, in their order: a key may come more than once. One byte a character. */
export type PaxRecords = readonly (readonly [key: string, value: string])[];

/**
 * Reads `<length> <key>=<value>\n` over and over.
 * @source POSIX.1-2017 pax, "pax Extended Header"
 * @throws StalledError `ImageInvalid`
 */
export function parsePaxRecords(bytes: Buffer): PaxRecords {
  const records: [string, string][] = [];
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(0x20, at);
    const digits = blank === -1 ? '' : bytes.toString('latin1', at, blank);
    const end = at + Number(digits);
    const equals = bytes.indexOf(0x3d, blank);
    const isRecord = /^[1-9]\d{0,9}$/.test(digits) && end <= bytes.length && equals > blank && equals < end;
    if (!isRecord || bytes[end - 1] !== 0x0a) throw damaged('an extended header is malformed');
    records.push([
      bytes.toString('latin1', blank + 1, equals),
      bytes.toString('latin1', equals + 1, end - 1),
    ]);
    at = end;
  }
  return records;
}

/** Writes records, each with its own length in front. */
export const encodePaxRecords = (records: PaxRecords): Buffer =>
  Buffer.from(records.map(encodeRecord).join(''), 'latin1');

function encodeRecord([key, value]: readonly [string, string]): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  // The length counts its own digits.
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return `${length}${rest}`;
}
