import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statfs } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { StalledError, TransientError } from '../../../domain/errors.ts';
import { programMissing } from '../../host/run.ts';
import { imageInvalid } from '../image-format.ts';
import { END_MARK } from '../tar/encode-member.ts';

/** GNU tar without what the environment would tell it. */
export const TAR = ['-u', 'TAR_OPTIONS', '-u', 'POSIXLY_CORRECT', 'LC_ALL=C', 'tar'] as const;
/** A tar that was built without ACLs takes this all the same, and says so. SELinux contexts are extended attributes. */
export const KEEP_ATTRIBUTES = ['--xattrs', '--xattrs-include=*', '--acls'] as const;

const UNPACK = [
  ...['--extract', '--file=-', '--preserve-permissions', '--same-owner', '--numeric-owner'],
  ...['--delay-directory-restore', '--read-full-records', '--blocking-factor=512', '--warning=no-timestamp'],
];

/** How `env` says that there is no such program. */
const NOT_FOUND = 127;

type Child = ChildProcessByStdio<Writable, null, Readable>;

/** One run of GNU tar that unpacks what it is given. */
export class TarRun {
  readonly #root: string;
  readonly #child: Child;
  readonly #closed: Promise<unknown>;
  #complaint = '';
  #isFull = false;
  /** How many writes there were, are done, and were there at the last `settle`. */
  #given = 0;
  #taken = 0;
  #mark = 0;
  #wake: () => void = () => undefined;

  private constructor(root: string, keepAttributes: boolean) {
    this.#root = root;
    const attributes = keepAttributes ? KEEP_ATTRIBUTES : [];
    this.#child = spawn('env', [...TAR, `--directory=${root}`, ...UNPACK, ...attributes], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    this.#closed = once(this.#child, 'close');
    this.#closed.then(
      () => this.#wake(),
      () => this.#wake(),
    );
    // What it does not take any more is told by how it ends.
    this.#child.stdin.on('error', () => undefined);
    this.#child.stderr.on('data', (chunk: Buffer) => this.#hear(chunk.toString('utf8')));
  }

  /** @param root folder to unpack into */
  static async start(root: string, { keepAttributes = true } = {}): Promise<TarRun> {
    const started = new TarRun(root, keepAttributes);
    started.#child.stdin.cork();
    await once(started.#child, 'spawn');
    return started;
  }

  /** Gives it bytes, which must stay as they are until the second `settle` from now has returned. */
  write(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#given++;
    this.#child.stdin.write(bytes, () => {
      this.#taken++;
      this.#wake();
    });
  }

  /**
   * Waits until everything has been taken that was given before the last call: so it takes one block while the next is
   * looked at.
   * @throws StalledError as `finish` does
   */
  async settle(): Promise<void> {
    this.#child.stdin.uncork();
    const [wanted, given] = [this.#mark, this.#given];
    while (this.#taken < wanted && !this.#isOver()) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    this.#mark = given;
    if (this.#isOver()) await this.finish();
    this.#child.stdin.cork();
  }

  /**
   * Ends the archive and waits until everything is unpacked.
   * @throws StalledError `ImageTooLarge`, `ImageInvalid`; TransientError `ExpandingInterrupted`
   */
  async finish(): Promise<void> {
    this.#child.stdin.end(END_MARK);
    this.#child.stdin.uncork();
    await this.#closed;
    if (this.#child.exitCode === 0) return;
    if (this.#isFull || (await isFull(this.#root))) throw slotFull();
    if (this.#child.exitCode === null)
      throw new TransientError('ExpandingInterrupted', 'the tar program was killed');
    const complaint = this.#complaint.trim();
    throw this.#child.exitCode === NOT_FOUND
      ? programMissing('tar')
      : imageInvalid(`tar cannot unpack the image (${complaint})`, 'pack it anew, with GNU tar');
  }

  async kill(): Promise<void> {
    if (!this.#isOver()) this.#child.kill('SIGKILL');
    await this.#closed.catch(() => undefined);
  }

  #isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #hear(text: string): void {
    this.#complaint = (this.#complaint + text).slice(-500);
    if (this.#isFull || !this.#complaint.includes('No space left on device')) return;
    this.#isFull = true;
    // It would go on to the end of the archive.
    this.#child.kill('SIGKILL');
  }
}

/** The kernel keeps some blocks to itself, so a file system is full before nothing is free. */
const KEPT_BYTES = 1024 * 1024;

/** A write that the last free block cuts short is told by no word. */
async function isFull(root: string): Promise<boolean> {
  const facts = await statfs(root).catch(() => undefined);
  return facts !== undefined && (facts.bavail * facts.bsize < KEPT_BYTES || facts.ffree === 0);
}

/** The refusal of a tree that does not fit onto its slot. */
export const slotFull = (): StalledError =>
  new StalledError(
    'ImageTooLarge',
    'the files of the image do not fit onto the slot: make the image smaller, or the slots larger',
  );
