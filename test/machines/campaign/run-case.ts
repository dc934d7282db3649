import { createHash } from 'node:crypto';
import type { World } from '../world.ts';
import type { MachineCase } from './case.ts';
import type { CampaignNodes } from './nodes.ts';

/** How one case ended. */
export interface CaseResult {
  readonly id: string;
  readonly title: string;
  readonly expected: string;
  readonly isOk: boolean;
  readonly seconds: number;
  readonly notes: readonly string[];
  /** Why it failed. */
  readonly error?: string;
  readonly seed: number;
  /** Day of the run, `2026-01-31`. */
  readonly date: string;
}

/** What a case runs in. */
export interface CaseSurroundings {
  readonly world: World;
  readonly nodes: CampaignNodes;
  readonly seed: number;
  readonly date: string;
  /** Default false. */
  readonly isRecorded?: boolean;
  /** Default: every one. */
  wantsCut?(id: string): boolean;
  step(text: string): void;
}

/** Runs one case; its failure is a result, not an error. */
export async function runCase(testCase: MachineCase, around: CaseSurroundings): Promise<CaseResult> {
  const { world, seed, date, step, isRecorded = false, wantsCut = () => true } = around;
  const nodes = around.nodes.open();
  const { id, title, expected } = testCase;
  const notes: string[] = [];
  const startMs = performance.now();
  const random = createRandom(`${seed}/${id}`);
  let error: string | undefined;
  try {
    const note = (text: string): void => void notes.push(text);
    await testCase.run({ world, node: nodes.take, random, seed, wantsCut, isRecorded, note, step });
  } catch (thrown) {
    error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  }
  await nodes.release(error === undefined);
  const seconds = Math.round((performance.now() - startMs) / 1000);
  return {
    id,
    title,
    expected,
    isOk: error === undefined,
    seconds,
    notes,
    seed,
    date,
    ...(error && { error }),
  };
}

/** Numbers from 0 to 1 that depend on the text alone. */
export function createRandom(text: string): () => number {
  let count = 0;
  return () => {
    count += 1;
    return createHash('sha256').update(`${text}/${count}`).digest().readUInt32BE(0) / 2 ** 32;
  };
}
