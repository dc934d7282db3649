/** One line of a mount table. */
export interface MountEntry {
  readonly major: number;
  readonly minor: number;
  /** Which folder of the file system is mounted there. */
  readonly root: string;
  readonly mountPoint: string;
  readonly fsType: string;
  readonly source: string;
}

const decode = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/**
 * Reads a mount table.
 * @source proc(5), `/proc/pid/mountinfo`
 */
export function parseMountInfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const match = /^\d+ \d+ (\d+):(\d+) (\S+) (\S+) .*? - (\S+) (\S+)/.exec(line);
    if (match === null) continue;
    const [, major = '', minor = '', root = '', mountPoint = '', fsType = '', source = ''] = match;
    entries.push({
      major: Number(major),
      minor: Number(minor),
      root: decode(root),
      mountPoint: decode(mountPoint),
      fsType,
      source: decode(source),
    });
  }
  return entries;
}

/** What is mounted as `/`: the last one wins, as later mounts cover earlier ones. */
export const rootMount = (mounts: readonly MountEntry[]): MountEntry | undefined =>
  mounts.findLast(mount => mount.mountPoint === '/');
