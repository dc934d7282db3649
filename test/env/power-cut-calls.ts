import fs from 'node:fs';
import { type Journal, pathOfFd } from './power-cut-journal.ts';

// Taken before anything is replaced.
const original = { ...fs };
const { O_APPEND, O_CREAT, O_DSYNC, O_EXCL, O_TRUNC } = fs.constants;

/** Flags as `open` takes them. */
export type OpenFlags = string | number;

interface WriteOptions {
  readonly flag?: string;
  readonly mode?: number;
  readonly flush?: boolean;
}

/** What the followed calls need. */
export interface Follower {
  readonly journal: Journal;
  /** Only files below this folder come here. */
  readonly root: string;
  /** Traces an operation and does it; `isLast`: the power fails while it is done. */
  step<T>(line: string, act: (isLast: boolean) => T, options?: { readonly isFlush?: boolean }): T;
}

/** File system calls, in their synchronous form and with the names of `node:fs`, that tell a journal what they change. */
export class FollowedCalls {
  readonly #journal: Journal;
  readonly #root: string;
  readonly #step: Follower['step'];

  constructor({ journal, root, step }: Follower) {
    this.#journal = journal;
    this.#root = root;
    this.#step = step;
  }

  write(fd: number, data: string | NodeJS.ArrayBufferView, ...rest: unknown[]): number {
    const { bytes, position } = writeArguments(data, rest);
    const state = stateOf(fd);
    const offset = state.isAppend ? original.fstatSync(fd).size : (position ?? state.position);
    const put = (): number => original.writeSync(fd, bytes, 0, bytes.length, position ?? null);
    return this.#step(`write ${this.#nameOf(fd)} ${offset}+${bytes.length}`, isLast => {
      const written = this.#journal.content(fd, { offset, length: bytes.length }, put);
      if (state.isSynchronous && !isLast) this.#journal.flushLast(fd);
      return written;
    });
  }

  writev(fd: number, buffers: readonly Uint8Array[], position?: number): number {
    return this.write(fd, Buffer.concat(buffers), { position });
  }

  fsync(fd: number): void {
    this.#step(`sync ${this.#nameOf(fd)}`, () => this.#journal.flush(fd), { isFlush: true });
  }

  fdatasync(fd: number): void {
    this.fsync(fd);
  }

  ftruncate(fd: number, length = 0): void {
    const { size } = original.fstatSync(fd);
    const range = { offset: Math.min(length, size), length: Math.abs(size - length) };
    this.#step(`truncate ${this.#nameOf(fd)} ${length}`, () =>
      this.#journal.content(fd, range, () => original.ftruncateSync(fd, length)),
    );
  }

  truncate(path: string, length = 0): void {
    withFile(path, 'r+', fd => this.ftruncate(fd, length));
  }

  open(path: string, flags: OpenFlags = 'r', mode = 0o666): number {
    return original.openSync(path, this.prepareOpen(path, flags, mode), mode);
  }

  /** Does what opening a file changes; returns the flags that are left to open it with. */
  prepareOpen(path: string, flags: OpenFlags, mode = 0o666): OpenFlags {
    const { creates, truncates, isExclusive } = openEffects(flags);
    const exists = original.existsSync(path);
    if (!exists && creates) {
      this.#step(`create ${this.#short(path)}`, () => {
        original.closeSync(original.openSync(path, 'wx', mode));
        this.#journal.created(path);
      });
      return typeof flags === 'number' ? flags & ~(O_EXCL | O_CREAT) : flags.replace('x', '');
    }
    if (exists && truncates && !isExclusive && original.statSync(path).size > 0) this.truncate(path);
    return flags;
  }

  writeFile(file: string | number, data: string | Uint8Array, options?: string | WriteOptions): void {
    const { flag = 'w', mode = 0o666, flush = false } = typeof options === 'object' ? options : {};
    if (typeof file === 'string') {
      withFile(file, this.prepareOpen(file, flag, mode), fd => this.writeFile(fd, data, options));
      return;
    }
    const bytes = Buffer.from(data);
    if (bytes.length > 0) this.write(file, bytes);
    if (flush) this.fsync(file);
  }

  appendFile(file: string | number, data: string | Uint8Array): void {
    this.writeFile(file, data, { flag: 'a' });
  }

  rename(from: string, to: string): void {
    if (!original.existsSync(from)) {
      original.renameSync(from, to);
      return;
    }
    this.#step(`rename ${this.#short(from)} ${this.#short(to)}`, () => {
      this.#journal.renaming(from, to);
      original.renameSync(from, to);
    });
  }

  unlink(path: string): void {
    if (!original.existsSync(path)) {
      original.unlinkSync(path);
      return;
    }
    this.#step(`unlink ${this.#short(path)}`, () => {
      this.#journal.removing(path);
      original.unlinkSync(path);
    });
  }

  rm(path: string, options?: fs.RmOptions): void {
    if (!original.existsSync(path)) {
      original.rmSync(path, options);
      return;
    }
    if (original.lstatSync(path).isDirectory()) throw new Error(`the power cut cannot follow rm of ${path}`);
    this.unlink(path);
  }

  mkdir(path: string, options?: fs.MakeDirectoryOptions): string | undefined {
    const first = original.mkdirSync(path, options);
    const made = options?.recursive ? first : path;
    if (made !== undefined) this.#step(`mkdir ${this.#short(made)}`, () => this.#journal.created(made));
    return first;
  }

  #short(path: string): string {
    return path.slice(this.#root.length);
  }

  #nameOf(fd: number): string {
    return this.#short(pathOfFd(fd));
  }
}

function withFile(path: string, flags: OpenFlags, act: (fd: number) => void): void {
  const fd = original.openSync(path, flags);
  try {
    act(fd);
  } finally {
    original.closeSync(fd);
  }
}

/** `write(fd, buffer, offset, length, position)`, `write(fd, buffer, {…})` or `write(fd, text, position, encoding)`. */
function writeArguments(
  data: string | NodeJS.ArrayBufferView,
  [first, second, third]: readonly unknown[],
): { bytes: Buffer; position: number | undefined } {
  if (typeof data === 'string') return { bytes: Buffer.from(data), position: numberOf(first) };
  const given: object =
    typeof first === 'object' && first !== null ? first : { offset: first, length: second, position: third };
  const offset = numberOf(Reflect.get(given, 'offset')) ?? 0;
  const length = numberOf(Reflect.get(given, 'length')) ?? data.byteLength - offset;
  const bytes = Buffer.from(data.buffer, data.byteOffset + offset, length);
  return { bytes, position: numberOf(Reflect.get(given, 'position')) };
}

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

function openEffects(flags: OpenFlags): { creates: boolean; truncates: boolean; isExclusive: boolean } {
  if (typeof flags === 'string') {
    return { creates: /[wa]/.test(flags), truncates: flags.includes('w'), isExclusive: flags.includes('x') };
  }
  const has = (flag: number): boolean => (flags & flag) !== 0;
  return { creates: has(O_CREAT), truncates: has(O_TRUNC), isExclusive: has(O_EXCL) };
}

/** What the kernel knows of an open file. */
function stateOf(fd: number): { position: number; isAppend: boolean; isSynchronous: boolean } {
  const text = original.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  const flags = Number.parseInt(/^flags:\s+(\d+)/m.exec(text)?.[1] ?? '0', 8);
  return {
    position: Number(/^pos:\s+(\d+)/m.exec(text)?.[1] ?? 0),
    isAppend: (flags & O_APPEND) !== 0,
    isSynchronous: (flags & O_DSYNC) !== 0,
  };
}
