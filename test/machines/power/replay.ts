import { open } from 'node:fs/promises';
import { copyDisk, type DiskLayout } from '../disk/layout.ts';
import { firstUncertain, survivors } from './survivors.ts';
import type { LogEntry, WriteLog } from './write-log.ts';

/** Makes the disks that power cuts leave. */
export interface Replayer {
  /**
   * Puts the disk at `path` as it is when the power is cut after `cut` entries. A cut before that of the last call
   * begins again with the first disk, so ask in rising order.
   */
  build(cut: number, random: () => number, path: string): Promise<DiskLayout>;
}

/**
 * Replays a log.
 * @param base the disk before the log began; it stays as it is
 * @param work path for a disk that holds what is certain
 */
export function createReplayer(log: WriteLog, base: DiskLayout, work: string): Replayer {
  let certain: DiskLayout | undefined;
  let done = 0;
  return {
    build: async (cut, random, path) => {
      const end = firstUncertain(log.entries, cut);
      if (certain === undefined || end < done) {
        certain = await copyDisk(base, work);
        done = 0;
      }
      const writes = log.entries.slice(done, end).filter(({ kind }) => kind === 'write');
      await writeAll(
        certain.path,
        log,
        writes.map(entry => ({ entry, from: 0, to: entry.length })),
      );
      done = end;
      const disk = await copyDisk(certain, path);
      await writeAll(disk.path, log, survivors(log.entries, cut, random));
      return disk;
    },
  };
}

type Part = { readonly entry: LogEntry; readonly from: number; readonly to: number };

async function writeAll(path: string, log: WriteLog, parts: readonly Part[]): Promise<void> {
  const file = await open(path, 'r+');
  try {
    for (const { entry, from, to } of parts) {
      const data = log.read(entry).subarray(from, to);
      await file.write(data, 0, data.length, entry.offset + from);
    }
  } finally {
    await file.close();
  }
}
