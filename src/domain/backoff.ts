/** Bounds of a growing delay, in milliseconds. */
export interface Backoff {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** The delay before try number `failures + 1`: doubles with each failure, between half and all of it by `jitter01`. */
export const backoffMs = ({ baseMs, maxMs }: Backoff, failures: number, jitter01: number): number =>
  Math.round(Math.min(baseMs * 2 ** Math.min(failures, 30), maxMs) * (0.5 + jitter01 / 2));
