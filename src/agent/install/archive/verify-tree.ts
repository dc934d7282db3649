import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { StalledError } from '../../../domain/errors.ts';
import { openBlockReader } from '../block-reader.ts';
import { ContentHash } from '../tar/content-hash.ts';
import { displayName, type Member } from '../tar/member.ts';
import { readTar } from '../tar/tar-reader.ts';
import { toInode } from '../tree/apply.ts';
import { partsOf } from '../tree/resolve.ts';
import { type Entry, type Inode, walk } from '../tree/tree.ts';
import { KEEP_ATTRIBUTES, TAR } from './tar-run.ts';

const PACK = [
  ...['--create', '--file=-', '--format=pax', '--pax-option=delete=atime,delete=ctime', '--numeric-owner'],
  ...['--sparse', '--hole-detection=seek', '--blocking-factor=512'],
];

/** What to compare, and whom to tell. */
export interface VerifyOptions {
  readonly root: string;
  readonly tree: Entry;
  readonly signal: AbortSignal;
  /** So many bytes of files have been read back. */
  onBytes(done: number): void;
}

/**
 * Compares every file of a mounted file system with what was unpacked: content, type, owner, mode, time, links, device
 * numbers, extended attributes. GNU tar reads it, packed to a pipe.
 * @throws StalledError `ReadBackMismatch`
 */
export async function verifyTree(options: VerifyOptions): Promise<void> {
  const output = await openBlockReader();
  const args = [...TAR, `--directory=${options.root}`, ...PACK, ...KEEP_ATTRIBUTES, '--', '.'];
  const child = spawn('env', args, { stdio: ['ignore', output.programsEnd, 'pipe'], signal: options.signal });
  output.programsEnd.destroy();
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-300);
  });
  const closed = once(child, 'close');
  closed.catch(() => undefined);
  try {
    const comparison = new Comparison(options.tree);
    await compareAll(comparison, readTar(output.blocks(), 'ignore'), options);
    await closed;
    if (child.exitCode !== 0) throw mismatch(`its files cannot be read (${complaint.trim()})`);
    comparison.assertComplete();
  } finally {
    child.kill('SIGKILL');
    output.destroy();
    await closed.catch(() => undefined);
  }
}

async function compareAll(
  comparison: Comparison,
  events: ReturnType<typeof readTar>,
  { signal, onBytes }: VerifyOptions,
): Promise<void> {
  let [done, told] = [0, 0];
  for await (const event of events) {
    signal.throwIfAborted();
    comparison.take(event);
    if (event.type !== 'data') continue;
    done += event.bytes.length;
    if (done - told < 4 * 1024 * 1024) continue;
    told = done;
    onBytes(done);
  }
  onBytes(done);
}

class Comparison {
  readonly #tree: Entry;
  readonly #seen = new Set<Entry>();
  readonly #inodes = new Set<Inode>();
  #current: { readonly member: Member; readonly hash: ContentHash } | undefined;

  constructor(tree: Entry) {
    this.#tree = tree;
  }

  take(event: Awaited<ReturnType<ReturnType<typeof readTar>['next']>>['value']): void {
    if (event.type === 'member') this.#current = { member: event.member, hash: new ContentHash() };
    else if (event.type === 'data') this.#current?.hash.update(event.offset, event.bytes);
    else if (this.#current !== undefined) this.#compare(this.#current.member, this.#current.hash);
  }

  /** Nothing may be missing. */
  assertComplete(): void {
    for (const [path, entry] of walk(this.#tree)) {
      if (!this.#seen.has(entry)) throw mismatch(`${displayName(path)} is missing`);
    }
  }

  #compare(member: Member, hash: ContentHash): void {
    const name = displayName(member.path);
    const entry = this.#find(member.path);
    if (entry === undefined) throw mismatch(`${name} should not be there`);
    this.#seen.add(entry);
    if (member.kind === 'hardlink') {
      if (this.#find(member.linkTarget)?.inode !== entry.inode)
        throw mismatch(`${name} is another hard link`);
      return;
    }
    if (this.#inodes.has(entry.inode)) throw mismatch(`${name} is no hard link any more`);
    if (!entry.inode.isImplied) this.#inodes.add(entry.inode);
    const found = {
      ...toInode(member),
      content: member.kind === 'file' ? hash.digest(member.sizeBytes) : '',
    };
    const difference = differenceOf(entry.inode, found);
    if (difference !== undefined) throw mismatch(`${name} has another ${difference}`);
  }

  #find(path: string): Entry | undefined {
    let at: Entry | undefined = this.#tree;
    for (const part of partsOf(path)) at = at?.children?.get(part);
    return at;
  }
}

/** The first of what differs, in words. */
function differenceOf(wanted: Inode, found: Inode): string | undefined {
  if (wanted.kind !== found.kind) return `type (${found.kind} for ${wanted.kind})`;
  if (wanted.isImplied) return undefined;
  if (wanted.sizeBytes !== found.sizeBytes) return `size (${found.sizeBytes} for ${wanted.sizeBytes})`;
  if (wanted.content !== found.content) return 'content';
  if (wanted.target !== found.target) return 'target';
  if (wanted.uid !== found.uid || wanted.gid !== found.gid) return 'owner';
  // The rights of a symbolic link mean nothing.
  if (wanted.mode !== found.mode && wanted.kind !== 'symlink') return 'mode';
  if (wanted.attributes !== found.attributes) return 'set of extended attributes';
  return isSameTime(wanted.mtime, found.mtime) ? undefined : 'time';
}

/** File systems keep times from 1970 to 2038 alike, to the second at least. */
function isSameTime(wanted: string, found: string): boolean {
  const seconds = Math.floor(Number(wanted));
  return seconds < 0 || seconds >= 2 ** 31 || seconds === Math.floor(Number(found));
}

const mismatch = (what: string): StalledError =>
  new StalledError(
    'ReadBackMismatch',
    `the slot does not read back as it was written, ${what}: replace the disk, or correct the archive`,
  );
