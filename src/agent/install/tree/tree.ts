import type { Kind } from '../tar/member.ts';

/** A file and what is known of it; its names share it. */
export interface Inode {
  readonly kind: Kind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, decimal. */
  readonly mtime: string;
  readonly sizeBytes: number;
  /** Hash of the content, one byte a character; set when it has come. Empty for what has none. */
  content: string;
  /** What a symbolic link says, or the numbers of a device. */
  readonly target: string;
  /** Hash of extended attributes and ACLs, one byte a character; empty if there are none. */
  readonly attributes: string;
  /** A folder that no archive tells of: it only leads to what one tells of. */
  readonly isImplied: boolean;
}

/** A name in a folder. */
export interface Entry {
  inode: Inode;
  /** The layer that this name comes from. */
  layer: number;
  /** Of a folder. */
  readonly children: Map<string, Entry> | undefined;
}

/** A folder that no archive tells of. */
export const IMPLIED_FOLDER: Inode = {
  kind: 'directory',
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: '0',
  sizeBytes: 0,
  content: '',
  target: '',
  attributes: '',
  isImplied: true,
};

/** A new folder without content. */
export const newFolder = (inode: Inode, layer: number): Entry => ({ inode, layer, children: new Map() });

/** The tree of a fresh ext4 file system. */
export function newTree(): Entry {
  const root = newFolder(IMPLIED_FOLDER, 0);
  root.children?.set('lost+found', newFolder(IMPLIED_FOLDER, 0));
  return root;
}

/** Every name with its path, the root's being `.`; folders before what they hold. */
export function* walk(entry: Entry, path = '.'): Generator<readonly [path: string, entry: Entry]> {
  yield [path, entry];
  if (entry.children === undefined) return;
  for (const [name, child] of entry.children) yield* walk(child, path === '.' ? name : `${path}/${name}`);
}
