import { keepCuts } from '../power/evidence.ts';
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

/** @throws Error if a cut ended as it must not, or there was none */
export function sumUp(
  { note, seed }: Pick<CaseContext, 'note' | 'seed'>,
  results: readonly CutResult[],
): void {
  const bad = results.filter(({ isOk }) => !isOk);
  const good = results.length - bad.length;
  note(`${good} of ${results.length} cuts as they have to be, seed ${seed}: [each of them](power-cuts.md)`);
  if (bad.length > 0) throw new Error(`not as it has to be: ${bad.map(({ id }) => id).join(', ')}`);
  if (results.length === 0) throw new Error('no power was cut');
}
