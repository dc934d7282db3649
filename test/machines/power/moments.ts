import type { DiskLayout } from '../disk/layout.ts';
import type { LogEntry, WriteLog } from './write-log.ts';

/** What was being written. */
export type Place =
  | 'environment'
  | 'boot partition'
  | 'superblock of the slot'
  | 'slot'
  | 'running slot'
  | 'trial record'
  | 'marker'
  | 'default slot'
  | 'PERSIST'
  | 'partition table'
  | 'flush'
  | 'discard';

const LOOKED_INTO_BYTES = 256 * 1024;
const BLOCK = 4096;
/** How files of the agent's state folder begin, each in a block of its own. */
const STATE_FILES: readonly (readonly [string, Place])[] = [
  ['{"progress":{"name"', 'trial record'],
  ['{"uid":"', 'marker'],
  ['"A"\0', 'default slot'],
  ['"B"\0', 'default slot'],
];

/** Tells what an entry of the log was about; `slot` is the one that a plan works on. */
export function placeOf(
  entry: LogEntry,
  { log, disk, slot }: { readonly log: WriteLog; readonly disk: DiskLayout; readonly slot: 'A' | 'B' },
): Place {
  if (entry.kind !== 'write') return entry.kind;
  const { boot, rootA, rootB, persist } = disk.partitions;
  const isIn = ({ offset, size }: { offset: number; size: number }): boolean =>
    entry.offset >= offset && entry.offset < offset + size;
  const [target, running] = slot === 'A' ? [rootA, rootB] : [rootB, rootA];
  if (isIn(target)) return entry.offset < target.offset + BLOCK ? 'superblock of the slot' : 'slot';
  if (isIn(running)) return 'running slot';
  const data = entry.length <= LOOKED_INTO_BYTES ? log.read(entry) : Buffer.alloc(0);
  if (isIn(boot)) {
    const isEnvironment = data.includes('_entry=') || data.includes('# GRUB Environment Block');
    return isEnvironment ? 'environment' : 'boot partition';
  }
  if (!isIn(persist)) return 'partition table';
  for (let at = 0; at < data.length; at += BLOCK) {
    const start = data.toString('latin1', at, at + 32);
    const found = STATE_FILES.find(([text]) => start.startsWith(text));
    if (found) return found[1];
  }
  return 'PERSIST';
}
