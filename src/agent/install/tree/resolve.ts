import { imageInvalid } from '../image-format.ts';
import { displayName } from '../tar/member.ts';
import { type Entry, IMPLIED_FOLDER, newFolder } from './tree.ts';

/** As many symbolic links as Linux follows before it gives up. */
const MAX_LINKS = 40;

/** Where a member belongs: a folder, and a name in it. */
export interface Place {
  readonly folder: Entry;
  /** Empty for the root itself. */
  readonly name: string;
  /** The real path, without symbolic links, relative to the root. `.` for the root. */
  readonly path: string;
}

/** No program can give Linux a longer path, its last zero included. */
const MAX_PATH_BYTES = 4096;

/** The parts of a member's name. @throws StalledError `ImageInvalid` if it leads out of the tree, or is no path */
export function partsOf(path: string): string[] {
  if (path.length >= MAX_PATH_BYTES) {
    throw imageInvalid(
      `${displayName(path.slice(0, 40))}… in the archive has a name of ${path.length} bytes`,
      `shorten it below ${MAX_PATH_BYTES}`,
    );
  }
  const parts = path.split('/').filter(part => part !== '' && part !== '.');
  if (parts.includes('..') || path.includes('\0')) {
    throw imageInvalid(
      `${displayName(path)} in the archive leads out of its tree`,
      'pack the tree anew from its root: tar -C TREE -c .',
    );
  }
  return parts;
}

/**
 * Finds where a member belongs. Symbolic links on the way are followed as they mean inside the tree, as a system that
 * runs from it would; the last part is not followed.
 * @param missing `make`: folders that are missing on the way come to be, as part of `layer`; `leave`: then there is no
 *   place
 * @throws StalledError `ImageInvalid`
 */
export function findPlace(
  root: Entry,
  path: string,
  { layer, missing }: { layer: number; missing: 'make' | 'leave' },
): Place | undefined {
  const name = partsOf(path).at(-1);
  if (name === undefined) return { folder: root, name: '', path: '.' };
  const way: { name: string; folder: Entry }[] = [];
  const todo = partsOf(path).slice(0, -1);
  let links = 0;
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    const folder = way.at(-1)?.folder ?? root;
    if (part === '..') {
      way.pop();
      continue;
    }
    let next = folder.children?.get(part);
    if (next === undefined) {
      if (missing === 'leave') return undefined;
      next = newFolder(IMPLIED_FOLDER, layer);
      folder.children?.set(part, next);
    }
    if (next.inode.kind === 'symlink') {
      if (++links > MAX_LINKS) throw throughNoFolder(path, 'symbolic links that lead in a circle');
      if (next.inode.target.startsWith('/')) way.length = 0;
      todo.unshift(...next.inode.target.split('/').filter(step => step !== '' && step !== '.'));
      continue;
    }
    if (next.children === undefined) {
      if (missing === 'leave') return undefined;
      throw throughNoFolder(path, 'a file that is no folder');
    }
    way.push({ name: part, folder: next });
  }
  const names = [...way.map(step => step.name), name];
  return { folder: way.at(-1)?.folder ?? root, name, path: names.join('/') };
}

const throughNoFolder = (path: string, what: string): Error =>
  imageInvalid(`${displayName(path)} in the archive lies below ${what}`, 'build the image anew');
