/** Size of GRUB's environment block: two sectors. */
export const ENVIRONMENT_BYTES = 1024;
export const SECTOR_BYTES = 512;

const PADDING = '#'.charCodeAt(0);
const SIGNATURE = '# GRUB Environment Block\n';
/** These decide what boots, so they stand first: a change of them then touches the first sector alone. */
const BOOT_KEYS = ['saved_entry', 'next_entry', 'fallback'];

/** What an environment block says, in its order. */
export type Environment = ReadonlyMap<string, string>;

/**
 * Reads an environment block.
 * @source GRUB's `lib/envblk.c`: lines of name=value, a backslash keeps the next character, `#` starts a comment
 * @returns undefined for bytes that GRUB would not take for an environment block
 */
export function decodeEnvironment(block: Buffer): Environment | undefined {
  const text = block.toString('latin1');
  if (block.length !== ENVIRONMENT_BYTES || !text.startsWith(SIGNATURE)) return undefined;
  const found = new Map<string, string>();
  let at = SIGNATURE.length;
  while (at < text.length) {
    // As in GRUB, a name goes on to the next equals sign, even over the end of a line.
    const equals = text[at] === '#' ? at : text.indexOf('=', at);
    const end = equals === -1 ? undefined : endOfLine(text, equals);
    if (end === undefined) break;
    if (text[at] !== '#') {
      found.set(
        fromBytes(text.slice(at, equals)),
        fromBytes(withoutBackslashes(text.slice(equals + 1, end))),
      );
    }
    at = end + 1;
  }
  return found;
}

/** Writes an environment block that GRUB and `grub-editenv` read; undefined if it does not fit. */
export function encodeEnvironment(environment: Environment): Buffer | undefined {
  const head = BOOT_KEYS.filter(key => environment.has(key));
  const tail = [...environment.keys()].filter(key => !BOOT_KEYS.includes(key));
  const linesOf = (keys: string[]) => keys.map(key => lineOf(key, environment.get(key) ?? '')).join('');
  const [first, rest] = [SIGNATURE + linesOf(head), linesOf(tail)];
  // One byte of padding at least: it makes a comment of what an older second sector begins with.
  if (first.length + rest.length < SECTOR_BYTES) return padded(first + rest);
  // The comment line between the two keeps the rest where it is while the boot keys change.
  const gap = SECTOR_BYTES - first.length;
  if (gap < 2 || rest.length >= SECTOR_BYTES) return undefined;
  return padded(`${first}${'#'.repeat(gap - 1)}\n${rest}`);
}

/**
 * The blocks to write one after the other, so that a power cut at any moment leaves the boot keys whole: first the
 * old values in our order, then the new ones. Each is written sector by sector, first sector first.
 * @returns undefined if the environment would not fit
 */
export function planWrites(current: Buffer, changes: Environment): Buffer[] | undefined {
  const old = decodeEnvironment(current);
  if (old === undefined) return undefined;
  const wanted = new Map([...old, ...changes]);
  const [ordered, target] = [encodeEnvironment(old), encodeEnvironment(wanted)];
  if (ordered === undefined || target === undefined) return undefined;
  if (target.equals(current)) return [];
  return touchesOneSector(current, target) ? [target] : [ordered, target];
}

/** One sector of a block, and where it belongs. */
export interface SectorWrite {
  readonly at: number;
  readonly bytes: Buffer;
}

/**
 * The sectors in which two blocks differ, in the order in which they have to be written: the one with the boot keys
 * first, unless the other one was empty. Then that one may be filled beforehand, and nothing is missing in between.
 */
export function sectorsToWrite(before: Buffer, block: Buffer): SectorWrite[] {
  const isSecondEmpty = before.subarray(SECTOR_BYTES).every(byte => byte === PADDING);
  return (isSecondEmpty ? [SECTOR_BYTES, 0] : [0, SECTOR_BYTES])
    .map(at => ({ at, bytes: block.subarray(at, at + SECTOR_BYTES) }))
    .filter(({ at, bytes }) => !bytes.equals(before.subarray(at, at + SECTOR_BYTES)));
}

const touchesOneSector = (left: Buffer, right: Buffer): boolean =>
  left.subarray(SECTOR_BYTES).equals(right.subarray(SECTOR_BYTES));

const padded = (text: string): Buffer => Buffer.from(text.padEnd(ENVIRONMENT_BYTES, '#'), 'latin1');

const lineOf = (key: string, value: string): string =>
  `${toBytes(key)}=${toBytes(value).replace(/[\\\n]/g, '\\$&')}\n`;

const withoutBackslashes = (text: string): string => text.replace(/\\([\s\S])/g, '$1');

/** Lines are cut by bytes; a value may be UTF-8. */
const toBytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
const fromBytes = (text: string): string => Buffer.from(text, 'latin1').toString('utf8');

function endOfLine(text: string, from: number): number | undefined {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '\n') return at;
  }
  return undefined;
}
