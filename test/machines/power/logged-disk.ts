import { writeFileSync } from 'node:fs';

/** What makes a machine keep a log of its disk. */
export interface LoggedDisk {
  /** `Hardware.diskNode`. */
  readonly args: readonly string[];
  readonly logPath: string;
}

/**
 * A disk whose writes and flushes are logged in a new file. Each boot appends to it.
 * @source QEMU, block/blklogwrites.c: an entry follows when the disk has answered, in that order
 */
export function loggedDisk(path: string, logPath: string): LoggedDisk {
  writeFileSync(logPath, '');
  // Not passed on are only flushes from this emulator to the host's disk: the log knows what the machine flushed.
  const file = (filename: string): object => ({
    ...{ driver: 'raw', cache: { 'no-flush': true } },
    file: { driver: 'file', filename, aio: 'threads', cache: { 'no-flush': true } },
  });
  const node = {
    ...{ driver: 'blklogwrites', 'node-name': 'disk', 'log-append': true },
    ...{ file: file(path), log: file(logPath) },
  };
  return { args: ['-blockdev', JSON.stringify(node)], logPath };
}
