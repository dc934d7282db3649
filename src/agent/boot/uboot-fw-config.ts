/** One copy of U-Boot's environment, as `fw_env.config` tells of it. */
export interface EnvironmentCopy {
  /** A device, `/dev/ubiX:NAME`, or a plain file. */
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  /** The rest of its line, which only the tools understand. */
  readonly rest: string;
}

/** The copies in an `fw_env.config`, or what is wrong with it, in words for a person. */
export function parseFwConfig(text: string): readonly EnvironmentCopy[] | string {
  const lines = text.split('\n').filter(line => line.trim() !== '' && !line.startsWith('#'));
  const copies = lines.map(copyIn);
  const bad = copies.indexOf(undefined);
  if (bad !== -1) return `has the line ${JSON.stringify(lines[bad])}: each has to be PATH OFFSET SIZE`;
  const [first, second, ...more] = copies.filter(copy => copy !== undefined);
  if (first === undefined || second === undefined)
    return `names ${first === undefined ? 'no copy' : 'one copy'} of the environment, and a write that is cut off would lose it: two are needed`;
  if (more.length > 0) return 'names more than two copies of the environment';
  if (first.bytes !== second.bytes) return 'names two copies of different sizes';
  if (first.path === second.path && Math.abs(first.offset - second.offset) < first.bytes)
    return 'names two copies that overlap';
  return [first, second];
}

/** The same in the form that the tools read. */
export const formatFwConfig = (copies: readonly EnvironmentCopy[]): string =>
  copies
    .map(({ path, offset, bytes, rest }) => `${path} ${offset} 0x${bytes.toString(16)}${rest}\n`)
    .join('');

function copyIn(line: string): EnvironmentCopy | undefined {
  const [, path, offset, size, rest = ''] =
    /^\s*(\/\S+)\s+(-?(?:0x)?[\da-f]+)\s+((?:0x)?[\da-f]+)(.*)$/i.exec(line) ?? [];
  if (path === undefined || offset === undefined || size === undefined) return undefined;
  // The tools read a size as hexadecimal, with 0x or without.
  const bytes = Number.parseInt(size, 16);
  const at = Number(offset.replace('-', '')) * (offset.startsWith('-') ? -1 : 1);
  return bytes > 0 && Number.isSafeInteger(at)
    ? { path, offset: at, bytes, rest: rest.trimEnd() }
    : undefined;
}
