import { greenCuts, keepCuts } from '../power/evidence.ts';
import type { CutResult } from '../power/replay-cut.ts';
import type { CaseContext } from './case.ts';

/** Tells of the last cut, and keeps all of them. */
export async function tellCut(
  { isRecorded }: Pick<CaseContext, 'isRecorded'>,
  results: readonly CutResult[],
): Promise<void> {
  const last = results.at(-1);
  if (last === undefined) return;
  const { isOk, id, phase, moment, outcome, seconds } = last;
  console.log(`  ${isOk ? '✔' : '✖'} ${id} (${phase}; ${moment}) ${seconds} s: ${outcome}`);
  if (isRecorded) await keepCuts(results);
}

/**
 * Ends a case that consists of cuts. One that was asked for some of them alone is green only if the evidence has the
 * others green.
 * @param all ids of all cuts of the case
 * @throws Error if a cut ended as it must not, or is not there
 */
export async function sumUp(
  { note, seed, isRecorded }: Pick<CaseContext, 'note' | 'seed' | 'isRecorded'>,
  results: readonly CutResult[],
  all: readonly string[],
): Promise<void> {
  const kept = isRecorded ? await greenCuts(seed) : new Set<string>();
  const isGood = (id: string): boolean => results.find(result => result.id === id)?.isOk ?? kept.has(id);
  const bad = all.filter(id => !isGood(id));
  note(
    `${all.length - bad.length} of ${all.length} cuts as they have to be, seed ${seed}: [each of them](power-cuts.md)`,
  );
  if (bad.length > 0) throw new Error(`not as it has to be, or not tried: ${bad.join(', ')}`);
}
