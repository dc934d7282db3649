import type { LogEntry } from './write-log.ts';

/** What is left of one write when the power was cut: its bytes from `from` up to `to`. */
export interface Survivor {
  readonly entry: LogEntry;
  readonly from: number;
  readonly to: number;
}

const SECTOR = 512;

/** Index of the entry after the last flush before entry `cut`: what comes earlier is on the disk. */
export function firstUncertain(entries: readonly LogEntry[], cut: number): number {
  for (let index = cut - 1; index >= 0; index -= 1) if (entries[index]?.kind === 'flush') return index + 1;
  return 0;
}

/**
 * What a disk with a cache of its own keeps of the writes since the last flush when the power is cut after `cut` entries:
 * each of them or not, and the last one torn at a sector. The order is that of the log, so of two writes to one place
 * the later one wins, if it is kept.
 */
export function survivors(entries: readonly LogEntry[], cut: number, random: () => number): Survivor[] {
  const kept: Survivor[] = [];
  // Now few are kept, now nearly all.
  const share = random();
  for (let index = firstUncertain(entries, cut); index < cut; index += 1) {
    const entry = entries[index];
    if (entry?.kind !== 'write') continue;
    const [isKept, isTorn, where] = [random() < share, index === cut - 1, random()];
    if (isTorn) {
      const to = Math.floor(where * (entry.length / SECTOR + 1)) * SECTOR;
      if (to > 0) kept.push({ entry, from: 0, to });
    } else if (isKept) kept.push({ entry, from: 0, to: entry.length });
  }
  return kept;
}
