import { imageInvalid } from '../image-format.ts';
import { ContentHash } from '../tar/content-hash.ts';
import { encodeMember } from '../tar/encode-member.ts';
import { paddingOf, TAR_BLOCK_BYTES } from '../tar/header.ts';
import { displayName, type Member, storedBytes } from '../tar/member.ts';
import type { TarEvent } from '../tar/tar-reader.ts';
import { applyMember } from '../tree/apply.ts';
import { type Entry, type Inode, newTree, walk } from '../tree/tree.ts';
import { applyWhiteout, type Whiteout } from '../tree/whiteouts.ts';
import { Flusher } from './flusher.ts';
import { removePaths } from './remove-paths.ts';
import { slotFull, TarRun } from './tar-run.ts';

const ZEROS = Buffer.alloc(TAR_BLOCK_BYTES);

/** A record of each is kept, so there has to be an end. A root file system has some ten thousands. */
const MAX_MEMBERS = 1_000_000;
/** What the kernel adds to the extended attributes of a file in their block, and to each of them. */
const ATTRIBUTES_HEAD_BYTES = 36;
const ATTRIBUTE_HEAD_BYTES = 16;

/** Where to unpack, and how much there may be at most. */
export interface UnpackerOptions {
  readonly root: string;
  readonly slotBytes: number;
  /** Of the file system. The extended attributes of a file fill one block at most. */
  readonly blockBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Unpacks members into a file system and remembers what has to be there. Each member is given to GNU tar under its real
 * path in headers of our own, so that no name and no symbolic link leads it out of the tree.
 */
export class Unpacker {
  readonly tree: Entry = newTree();
  readonly #options: UnpackerOptions;
  readonly #flusher: Flusher;
  #tar: TarRun | undefined;
  #runs = 0;
  /** Of the layer. */
  #bytes = 0;
  #members = 0;
  #unsettled = 0;
  /** Paths that are gone from the tree but not yet from the file system. */
  readonly #gone = new Set<string>();
  #current: { readonly inode: Inode; readonly member: Member; readonly hash: ContentHash } | undefined;

  constructor(options: UnpackerOptions) {
    this.#options = options;
    this.#flusher = new Flusher(options.root, options.signal);
  }

  /** How many members were taken. */
  get members(): number {
    return this.#members;
  }

  /** @throws StalledError `ImageInvalid`, `ImageTooLarge`, and as `TarRun.finish` */
  async take(event: TarEvent, layer: number): Promise<void> {
    if (event.type === 'member') await this.#begin(event.member, layer);
    else if (event.type === 'data') {
      this.#current?.hash.update(event.offset, event.bytes);
      this.#tar?.write(event.bytes);
      this.#unsettled += event.bytes.length;
    } else this.#end();
  }

  /** Hides what a whiteout of `layer` hides. */
  whiteOut(whiteout: Whiteout, layer: number): void {
    for (const path of applyWhiteout(this.tree, whiteout, layer)) this.#gone.add(path);
  }

  /** Waits until the bytes of all events so far have been taken. */
  async settle(): Promise<void> {
    this.#options.signal.throwIfAborted();
    await this.#tar?.settle();
    await this.#flusher.wrote(this.#unsettled);
    this.#unsettled = 0;
  }

  /** What comes next is another layer, which may be as large as the slot again. */
  async endLayer(): Promise<void> {
    await this.flush();
    this.#bytes = 0;
  }

  /** Brings the file system to where the tree is: at the end of a layer, and of everything. */
  async flush(): Promise<void> {
    await this.#tar?.finish();
    this.#tar = undefined;
    if (this.#gone.size === 0) return;
    await removePaths(this.#options.root, [...this.#gone], this.#options.signal);
    this.#gone.clear();
    this.#runs++;
  }

  /** Gives folders the times that they were given, as later runs have written into them. */
  async finish(): Promise<void> {
    await this.flush();
    if (this.#runs > 1) await this.#setFolders();
    await this.#flusher.settled();
  }

  async #setFolders(): Promise<void> {
    const tar = await this.#start({ keepAttributes: false });
    for (const [path, { inode }] of walk(this.tree)) {
      if (inode.kind === 'directory' && !inode.isImplied) tar.write(encodeMember(asMember(path, inode)));
    }
    await this.flush();
  }

  /** Stops whatever still runs. */
  async kill(): Promise<void> {
    await this.#tar?.kill();
    await this.#flusher.settled();
  }

  async #begin(member: Member, layer: number): Promise<void> {
    this.#members++;
    this.#bytes += storedBytes(member);
    if (this.#bytes > this.#options.slotBytes) throw slotFull();
    if (this.#members > MAX_MEMBERS) throw tooMany();
    assertAttributesFit(member, this.#options.blockBytes);
    const effect = applyMember(this.tree, member, layer);
    if (effect.member === undefined) return;
    if (effect.removeFirst) this.#gone.add(effect.member.path);
    if (this.#isInTheWay(effect.member.path)) await this.flush();
    this.#tar ??= await this.#start({ keepAttributes: true });
    this.#tar.write(encodeMember(effect.member));
    this.#current = { inode: effect.inode, member, hash: new ContentHash() };
  }

  #end(): void {
    if (this.#current === undefined) return;
    const { inode, member, hash } = this.#current;
    this.#tar?.write(ZEROS.subarray(0, paddingOf(storedBytes(member))));
    if (member.kind === 'file') inode.content = hash.digest(member.sizeBytes);
    this.#current = undefined;
  }

  async #start(options: { keepAttributes: boolean }): Promise<TarRun> {
    this.#runs++;
    this.#tar = await TarRun.start(this.#options.root, options);
    return this.#tar;
  }

  /** Whether something that is to be removed lies at `path` or above it. */
  #isInTheWay(path: string): boolean {
    if (this.#gone.size === 0) return false;
    const parts = path.split('/');
    return parts.some((_part, index) => this.#gone.has(parts.slice(0, index + 1).join('/')));
  }
}

/** Larger ones would need the very feature that hides the file system while it is filled. */
function assertAttributesFit({ path, attributes }: Member, blockBytes: number): void {
  const bytes = attributes.reduce(
    (sum, [name, value]) => sum + ATTRIBUTE_HEAD_BYTES + name.length + Math.ceil(value.length / 4) * 4,
    ATTRIBUTES_HEAD_BYTES,
  );
  if (bytes <= blockBytes) return;
  throw imageInvalid(
    `${displayName(path)} in the archive has ${bytes} bytes of extended attributes, more than fit into a block`,
    'remove some, or make the running file system with larger blocks',
  );
}

const tooMany = (): Error =>
  imageInvalid(`the image has more than ${MAX_MEMBERS} files`, 'give a root file system with fewer');

const asMember = (path: string, inode: Inode): Member => ({
  path: `${path}/`,
  kind: 'directory',
  mode: inode.mode,
  uid: inode.uid,
  gid: inode.gid,
  mtime: inode.mtime,
  sizeBytes: 0,
  linkTarget: '',
  deviceMajor: 0,
  deviceMinor: 0,
  attributes: [],
});
