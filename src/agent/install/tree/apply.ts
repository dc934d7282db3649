import { createHash } from 'node:crypto';
import { imageInvalid } from '../image-format.ts';
import { type Attribute, displayName, type Member } from '../tar/member.ts';
import { findPlace } from './resolve.ts';
import { type Entry, type Inode, newFolder } from './tree.ts';

/** What a member means for the file system. */
export interface Effect {
  /** The member under its real path, to be unpacked; absent if there is nothing to do. */
  readonly member: Member | undefined;
  /** What is in the way lies there and has to be removed first, with everything below. */
  readonly removeFirst: boolean;
  /** Whom the content that follows belongs to. */
  readonly inode: Inode;
}

/**
 * Adds a member to the tree, over what is there.
 * @throws StalledError `ImageInvalid`
 */
export function applyMember(root: Entry, member: Member, layer: number): Effect {
  const place = findPlace(root, member.path, { layer, missing: 'make' });
  if (place === undefined || place.name === '') return applyToRoot(root, member, layer);
  const { folder, name, path } = place;
  const there = folder.children?.get(name);
  const { inode, member: moved } = resolved(root, { ...member, path }, layer);
  if (there !== undefined && there.children !== undefined && inode.kind === 'directory') {
    there.inode = merged(there.inode, inode);
    there.layer = layer;
    return { member: moved, removeFirst: false, inode: there.inode };
  }
  if (there?.inode === inode && member.kind === 'hardlink') {
    there.layer = layer;
    return { member: undefined, removeFirst: false, inode };
  }
  folder.children?.set(name, inode.kind === 'directory' ? newFolder(inode, layer) : asEntry(inode, layer));
  // A program that unpacks replaces a file by a file; what concerns a folder is done beforehand. A symbolic link that GNU
  // tar has just made may still be a placeholder, of which it keeps the first of two.
  const isPlaceholder = there?.inode.kind === 'symlink' && there.layer === layer;
  const removeFirst =
    there !== undefined && (there.children !== undefined || inode.kind === 'directory' || isPlaceholder);
  return { member: moved, removeFirst, inode };
}

const asEntry = (inode: Inode, layer: number): Entry => ({ inode, layer, children: undefined });

function applyToRoot(root: Entry, member: Member, layer: number): Effect {
  if (member.kind !== 'directory') {
    throw imageInvalid(
      `${displayName(member.path)} in the archive replaces its root`,
      'build the image anew',
    );
  }
  root.inode = merged(root.inode, toInode(member));
  root.layer = layer;
  return { member: { ...member, path: './' }, removeFirst: false, inode: root.inode };
}

/** The member under real paths, and the inode that it makes or leads to. */
function resolved(root: Entry, member: Member, layer: number): { member: Member; inode: Inode } {
  if (member.kind !== 'hardlink') return { member, inode: toInode(member) };
  const place = findPlace(root, member.linkTarget, { layer, missing: 'leave' });
  const target = place?.folder.children?.get(place.name);
  if (place === undefined || target === undefined || target.children !== undefined) {
    throw imageInvalid(
      `${displayName(member.path)} in the archive is a hard link to ${displayName(member.linkTarget)}, ` +
        'which is no file in there',
      'pack the whole tree anew',
    );
  }
  return { member: { ...member, linkTarget: place.path }, inode: target.inode };
}

/** What a member says of its file; its content comes later. */
export function toInode(member: Member): Inode {
  const { kind, mode, uid, gid } = member;
  const isDevice = kind === 'character' || kind === 'block';
  return {
    kind: kind === 'hardlink' ? 'file' : kind,
    mode,
    uid,
    gid,
    mtime: member.mtime,
    sizeBytes: member.sizeBytes,
    content: '',
    target: isDevice
      ? `${member.deviceMajor}:${member.deviceMinor}`
      : kind === 'symlink'
        ? member.linkTarget
        : '',
    attributes: hashOf(member.attributes),
    isImplied: false,
  };
}

/** A folder that is told of again keeps the attributes that it is not given anew: nothing takes them away. */
const merged = (old: Inode, inode: Inode): Inode => ({
  ...inode,
  attributes: inode.attributes === '' ? old.attributes : inode.attributes,
});

function hashOf(attributes: readonly Attribute[]): string {
  if (attributes.length === 0) return '';
  const text = attributes.map(([name, value]) => `${name.length} ${value.length} ${name}${value}`).join('');
  return createHash('sha256').update(text, 'latin1').digest().toString('latin1');
}
