import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** What a machine did to its disk, in the order in which the disk answered. Bytes, not sectors. */
export interface LogEntry {
  readonly kind: 'write' | 'flush' | 'discard';
  /** On the disk. */
  readonly offset: number;
  readonly length: number;
  /** Where the written bytes stand in the log file. */
  readonly dataAt: number;
}

/** A log that may still grow. */
export interface WriteLog {
  /** What was found so far. */
  readonly entries: readonly LogEntry[];
  /** Reads on; resolves to the number of entries then. What is not wholly in the file yet is left for the next call. */
  advance(): number;
  /** The bytes of a write. */
  read(entry: LogEntry): Buffer;
  close(): void;
}

/**
 * How dm-log-writes lays out its log, which QEMU's driver `blklogwrites` writes: little-endian numbers of 64 bits; the
 * first sector tells about the log, then each entry has a sector and its data follow.
 * @source Linux, Documentation/admin-guide/device-mapper/log-writes.rst and drivers/md/dm-log-writes.c
 */
const SECTOR = 512;
const [FLUSH, FUA, DISCARD, MARK] = [1, 2, 4, 8];
const HEAD_BYTES = 32;

/** Opens a log of sectors of 512 bytes. The number of entries in its head is not gone by: it lags behind. */
export function openWriteLog(path: string): WriteLog {
  const file = openSync(path, 'r');
  const entries: LogEntry[] = [];
  let at = SECTOR;
  const head = Buffer.alloc(HEAD_BYTES);
  const advance = (): number => {
    const { size } = fstatSync(file);
    while (at + SECTOR <= size) {
      readSync(file, head, 0, HEAD_BYTES, at);
      const [sector, sectors, flags] = [0, 8, 16].map(place => Number(head.readBigUInt64LE(place)));
      if (sector === undefined || sectors === undefined || flags === undefined) break;
      // Not written yet: no entry has neither data nor a flag.
      if (sectors === 0 && flags === 0) break;
      if (flags & ~(FLUSH | FUA | DISCARD | MARK))
        throw new Error(`${path} has no entry at ${at}: flags are ${flags}`);
      const length = sectors * SECTOR;
      const dataAt = at + SECTOR;
      const hasData = !(flags & DISCARD);
      const end = dataAt + (hasData ? length : 0);
      // The zeros at the end of a file may be a hole that is not there yet; the next entry makes them whole.
      if (end > size) break;
      const kind = flags & DISCARD ? 'discard' : length > 0 ? 'write' : 'flush';
      entries.push({ kind, offset: sector * SECTOR, length, dataAt });
      // A flush that comes with data precedes them; FUA makes them durable by themselves.
      if (kind === 'write' && flags & FUA) entries.push({ kind: 'flush', offset: 0, length: 0, dataAt: end });
      at = end;
    }
    return entries.length;
  };
  return {
    entries,
    advance,
    read: ({ dataAt, length }) => {
      const data = Buffer.alloc(length);
      readSync(file, data, 0, length, dataAt);
      return data;
    },
    close: () => closeSync(file),
  };
}
