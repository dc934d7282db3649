/** What a member of an archive, and a file of a tree, may be. */
export type Kind = 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo';

/** A stretch of a sparse file that is stored; the rest of it is zeros. */
export interface Segment {
  readonly offset: number;
  readonly bytes: number;
}

/** An extended attribute; an ACL as text with numbers. */
export type Attribute = readonly [name: string, value: string];

/**
 * One member of an archive, whatever dialect of tar told it. Texts hold one byte a character, as names on Linux are
 * bytes: `displayName` is for people.
 */
export interface Member {
  readonly path: string;
  readonly kind: Kind | 'hardlink';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, decimal, with up to nine places. */
  readonly mtime: string;
  /** What the file's length is, holes included. */
  readonly sizeBytes: number;
  /** Stretches that follow in the archive; absent if everything does. */
  readonly segments?: readonly Segment[];
  /** What a symbolic link says, or where the other name of a hard link is. Empty for others. */
  readonly linkTarget: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly attributes: readonly Attribute[];
}

/** How many bytes of a member follow its headers, padding left out. */
export const storedBytes = ({ segments, sizeBytes }: Member): number =>
  segments === undefined ? sizeBytes : segments.reduce((sum, { bytes }) => sum + bytes, 0);

/** A name of one byte a character as people read it. */
export const displayName = (name: string): string =>
  JSON.stringify(Buffer.from(name, 'latin1').toString('utf8'));
