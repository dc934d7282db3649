import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';

const SECTOR_BYTES = 512;
// Taken before anything is replaced.
const original = { ...fs };

/** A change of some sectors of a file, or of its length. */
interface Change {
  readonly start: number;
  readonly before: Buffer;
  readonly sizeBefore: number;
  readonly after: Buffer;
  readonly sizeAfter: number;
}

/** A change of folders that can be undone while not all of them are flushed. */
interface EntryChange {
  readonly folders: Set<string>;
  undo(): void;
}

/** Keeps the old state beside every change of files and folders, until that is flushed. */
export class Journal {
  /** By inode; the descriptor is our own, which outlives the program's and can read where that one only writes. */
  readonly #files = new Map<string, { fd: number; changes: Change[] }>();
  #entries: EntryChange[] = [];
  readonly #backups: string;
  #backupCount = 0;

  /** @param backups a folder on the same file system, for what is removed */
  constructor(backups: string) {
    this.#backups = backups;
    original.rmSync(backups, { recursive: true, force: true });
    original.mkdirSync(backups);
  }

  /** Lets `change` change bytes of an open file, and remembers what was there. */
  content<T>(fd: number, range: { offset: number; length: number }, change: () => T): T {
    const start = range.offset - (range.offset % SECTOR_BYTES);
    const end = Math.ceil((range.offset + range.length) / SECTOR_BYTES) * SECTOR_BYTES;
    const file = this.#fileOf(fd);
    const before = read(file.fd, start, end - start);
    const sizeBefore = original.fstatSync(file.fd).size;
    const result = change();
    const after = read(file.fd, start, end - start);
    file.changes.push({ start, before, sizeBefore, after, sizeAfter: original.fstatSync(file.fd).size });
    return result;
  }

  /** All contents of the file, or entries of the folder, are on the disk now. */
  flush(fd: number): void {
    const file = this.#files.get(keyOf(fd));
    if (file !== undefined) original.closeSync(file.fd);
    this.#files.delete(keyOf(fd));
    const folder = pathOfFd(fd);
    for (const entry of this.#entries) entry.folders.delete(folder);
    this.#entries = this.#entries.filter(entry => entry.folders.size > 0);
  }

  /** The latest change of a file is on the disk now: it was opened with O_SYNC or O_DSYNC. */
  flushLast(fd: number): void {
    this.#files.get(keyOf(fd))?.changes.pop();
  }

  /** Call after a file or folder was made. */
  created(path: string): void {
    this.#entry([path], () => original.rmSync(path, { recursive: true, force: true }));
  }

  /** Call before a file is removed. */
  removing(path: string): void {
    const backup = this.#keep(path);
    this.#entry([path], () => original.linkSync(backup, path));
  }

  /** Call before a file is renamed. */
  renaming(from: string, to: string): void {
    const replaced = original.existsSync(to) ? this.#keep(to) : undefined;
    this.#entry([from, to], () => {
      original.renameSync(to, from);
      if (replaced !== undefined) original.linkSync(replaced, to);
    });
  }

  /**
   * Turns the disk into what a power cut may leave of it. Each change of contents is kept, lost, or torn at sectors,
   * independently, so that later ones can survive earlier ones. Changes of folders, which a file system keeps in a
   * log of its own, survive up to some moment. Sometimes all is lost, sometimes nothing.
   */
  lose(random: () => number): void {
    const mood = random();
    const keepShare = mood < 0.25 ? 0 : mood > 0.85 ? 1 : 0.4;
    for (const { fd, changes } of this.#files.values()) {
      for (const { before, start, sizeBefore } of changes.toReversed()) {
        original.writeSync(fd, before, 0, before.length, start);
        original.ftruncateSync(fd, sizeBefore);
      }
      for (const change of changes) redo(fd, change, keepShare, random);
    }
    const { length } = this.#entries;
    const kept = keepShare === 0.4 ? Math.floor(random() * (length + 1)) : keepShare * length;
    for (const { undo } of this.#entries.slice(kept).reverse()) undo();
  }

  #fileOf(fd: number): { fd: number; changes: Change[] } {
    const key = keyOf(fd);
    const file = this.#files.get(key) ?? { fd: original.openSync(`/proc/self/fd/${fd}`, 'r+'), changes: [] };
    this.#files.set(key, file);
    return file;
  }

  #entry(paths: readonly string[], undo: () => void): void {
    this.#entries.push({ folders: new Set(paths.map(path => dirname(path))), undo });
  }

  #keep(path: string): string {
    this.#backupCount += 1;
    const backup = join(this.#backups, `${this.#backupCount}-${basename(path)}`);
    original.linkSync(path, backup);
    return backup;
  }
}

/** Where an open file lies; empty for one that is none. */
export function pathOfFd(fd: number): string {
  try {
    return original.readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

/** Brings a lost change back: whole, in part, or not at all. */
function redo(fd: number, change: Change, keepShare: number, random: () => number): void {
  const { start, after, sizeBefore, sizeAfter } = change;
  const fate = random();
  const isWhole = fate < keepShare;
  if (!isWhole && (keepShare === 0 || fate > 0.7)) return;
  for (let at = 0; at < after.length; at += SECTOR_BYTES) {
    const sector = after.subarray(at, at + SECTOR_BYTES);
    if (isWhole || random() < 0.5) original.writeSync(fd, sector, 0, sector.length, start + at);
  }
  // Sectors beyond the end lengthen the file by themselves; a shorter length arrives with the change or not at all.
  if (isWhole && sizeAfter < sizeBefore) original.ftruncateSync(fd, sizeAfter);
}

function keyOf(fd: number): string {
  const { dev, ino } = original.fstatSync(fd);
  return `${dev}:${ino}`;
}

function read(fd: number, start: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, original.readSync(fd, buffer, 0, length, start));
}
