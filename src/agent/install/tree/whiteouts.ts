import { findPlace, partsOf } from './resolve.ts';
import type { Entry } from './tree.ts';

const PREFIX = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** What a member of a layer says about the layers below. */
export type Whiteout =
  | { readonly type: 'none' }
  /** Bookkeeping of another program. */
  | { readonly type: 'ignored' }
  /** `path` is not there any more. */
  | { readonly type: 'removed'; readonly path: string }
  /** Nothing in the folder `path` is there any more. */
  | { readonly type: 'emptied'; readonly path: string };

/**
 * Tells by its name what a member of a layer means.
 * @source OCI image specification, "Representing Changes"; names that begin with `.wh..wh.` are AUFS's own
 */
export function whiteoutOf(memberPath: string): Whiteout {
  const parts = partsOf(memberPath);
  const at = parts.findIndex(part => part.startsWith(PREFIX));
  const name = parts[at];
  if (name === undefined) return { type: 'none' };
  const folder = parts.slice(0, at).join('/');
  const isLast = at === parts.length - 1;
  if (name === OPAQUE && isLast) return { type: 'emptied', path: folder };
  if (name.startsWith(`${PREFIX}${PREFIX}`) || !isLast || name === PREFIX) return { type: 'ignored' };
  return { type: 'removed', path: [...parts.slice(0, at), name.slice(PREFIX.length)].join('/') };
}

/**
 * Takes out of the tree what a whiteout hides: what came from layers below `layer`, never what that layer adds itself.
 * @returns the real paths that are gone, with everything below them
 */
export function applyWhiteout(root: Entry, whiteout: Whiteout, layer: number): string[] {
  if (whiteout.type === 'none' || whiteout.type === 'ignored') return [];
  const isEmptied = whiteout.type === 'emptied';
  const place = findPlace(root, isEmptied ? `${whiteout.path}/.` : whiteout.path, {
    layer,
    missing: 'leave',
  });
  if (place === undefined) return [];
  const gone: string[] = [];
  if (isEmptied) {
    const folder = place.name === '' ? root : place.folder.children?.get(place.name);
    removeBelow(folder, place.path, { layer, gone });
  } else removeLower(place.folder, place.name, { path: place.path, layer, gone });
  return gone;
}

interface Removal {
  readonly layer: number;
  readonly gone: string[];
}

/** @returns whether something of the folder stays */
function removeBelow(folder: Entry | undefined, path: string, { layer, gone }: Removal): boolean {
  for (const name of [...(folder?.children?.keys() ?? [])]) {
    if (folder !== undefined) {
      removeLower(folder, name, { path: path === '.' ? name : `${path}/${name}`, layer, gone });
    }
  }
  return (folder?.children?.size ?? 0) > 0;
}

function removeLower(folder: Entry, name: string, removal: Removal & { readonly path: string }): void {
  const { path, layer, gone } = removal;
  const entry = folder.children?.get(name);
  // Every ext4 file system has it, and its checker wants it.
  if (entry === undefined || path === 'lost+found') return;
  const below: string[] = [];
  const hasRest = removeBelow(entry, path, { layer, gone: below });
  if (entry.layer >= layer || hasRest) {
    gone.push(...below);
    return;
  }
  folder.children?.delete(name);
  gone.push(path);
}
