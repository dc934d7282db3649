import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** When the power fails, counted in operations that write. Without `at`, operations are only counted. */
export interface PowerCut {
  /** The how-many-eth operation, from 1, of those that `on` matches. They are counted over all starts of the agent. */
  readonly at?: number;
  /** A part of the operation's line in the trace (`grubenv`, `sync`, `b.img`). Default: all operations. */
  readonly on?: string;
  /** What becomes of writes that were not flushed is drawn from this. Default 1. */
  readonly seed?: number;
}

/** One operation that wrote: `write /slots/b.img`. */
export type TracedWrite = string;

const preload = join(import.meta.dirname, '..', 'power-cut.ts');

/** The environment that makes an agent of the node in `dir` lose power as planned. */
export function powerCutEnv(dir: string, cut: PowerCut): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=${preload}`,
    POWER_CUT_ROOT: join(dir, 'root'),
    POWER_CUT_TRACE: traceFile(dir),
    POWER_CUT_AT: String(cut.at ?? 0),
    POWER_CUT_ON: cut.on ?? '',
    POWER_CUT_SEED: String(cut.seed ?? 1),
  };
}

/** What the agents of a node wrote since tracing began, in order, over all starts. */
export async function readTrace(dir: string): Promise<TracedWrite[]> {
  const text = await readFile(traceFile(dir), 'utf8').catch(() => '');
  return text.split('\n').filter(line => line !== '');
}

/** Tells whether the last agent of the node ended by a power cut. */
export async function powerCutHappened(dir: string): Promise<boolean> {
  return (await readTrace(dir)).at(-1)?.startsWith('cut ') ?? false;
}

const traceFile = (dir: string): string => join(dir, 'power-cut.trace');
