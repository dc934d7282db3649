import type { Place } from './moments.ts';

/** A moment at which the power is cut, in terms of the log. */
export interface CutPoint {
  /** `environment-2`: stable for a seed. */
  readonly id: string;
  /** So many entries of the log were begun; the last one may be torn. */
  readonly cut: number;
}

/** A share of the cuts. */
export interface CutWish {
  /** What the moments are chosen for: `downloading`, `environment`. */
  readonly name: string;
  readonly count: number;
  /** From entry `from` (the first that may be torn) to entry `to` (it may not). */
  readonly from: number;
  readonly to: number;
  /** Only at, and closely after, writes to these places. */
  readonly at?: readonly Place[];
}

/** A write, and so many entries from it on: its flush, and what came next. */
const REACH = 3;

/**
 * Draws the moments of a campaign, no moment twice. Each wish is spread evenly over what it allows.
 * @param placeAt what an entry of the log was about
 */
export function chooseCuts(
  wishes: readonly CutWish[],
  placeAt: (index: number) => Place,
  random: () => number,
): CutPoint[] {
  const chosen = new Map<number, string>();
  for (const { name, count, from, to, at } of wishes) {
    const free = new Set<number>();
    for (let index = from; index < to; index += 1) {
      if (at !== undefined && !at.includes(placeAt(index))) continue;
      const end = Math.min(index + (at === undefined ? 1 : REACH), to);
      for (let cut = index + 1; cut <= end; cut += 1) if (!chosen.has(cut)) free.add(cut);
    }
    const pool = [...free].toSorted((one, other) => one - other);
    const parts = Math.min(count, pool.length);
    for (let part = 0; part < parts; part += 1) {
      const [start, end] = [part, part + 1].map(edge => Math.floor((edge * pool.length) / parts));
      const cut = pool[(start ?? 0) + Math.floor(random() * ((end ?? 0) - (start ?? 0)))];
      if (cut !== undefined) chosen.set(cut, `${name}-${part + 1}`);
    }
  }
  return [...chosen].map(([cut, id]) => ({ id, cut })).toSorted((one, other) => one.cut - other.cut);
}
