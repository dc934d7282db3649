import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../../../tools/lib/paths.mjs';
import type { CutResult } from './replay-cut.ts';

const RESULTS = join(ROOT, 'docs/evidence/power-cuts.json');
const REPORT = join(ROOT, 'docs/evidence/power-cuts.md');

/** Puts new cuts in the place of those with the same id and seed, and writes the page anew. */
export async function keepCuts(results: readonly CutResult[]): Promise<void> {
  const before = await readCuts();
  const keyOf = ({ id, seed }: CutResult): string => `${id}/${seed}`;
  const isNew = new Set(results.map(keyOf));
  const all = [...before.filter(result => !isNew.has(keyOf(result))), ...results];
  await writeFile(RESULTS, `${JSON.stringify(all, null, 2)}\n`);
  await writeFile(REPORT, pageOf(all));
}

/** Ids of the cuts of a seed that went well. */
export async function greenCuts(seed: number): Promise<ReadonlySet<string>> {
  const all = await readCuts();
  return new Set(all.filter(result => result.isOk && result.seed === seed).map(({ id }) => id));
}

const readCuts = (): Promise<CutResult[]> => readFile(RESULTS, 'utf8').then(JSON.parse, () => []);

function pageOf(results: readonly CutResult[]): string {
  const green = results.filter(({ isOk }) => isOk).length;
  const lines = results.map(
    ({ id, seed, phase, moment, outcome, isOk, seconds }) =>
      `| ${isOk ? '✔' : '✖'} | \`${id}\` | ${seed} | ${phase} | ${moment} | ${cell(outcome)} | ${seconds} |`,
  );
  return `# Power cuts

What the cases \`power/replay\` and \`power/kill\` of \`npm run test:machines\` found, one line for each cut:
**${green} of ${results.length} cuts green**.

- *Replayed* cuts: QEMU's driver \`blklogwrites\` recorded every write and flush of one upgrade and one rollback. For each
  cut a disk is made that holds what was written until the last flush, any of the writes after it, and the last one torn
  at a sector; the API server's objects are set back, by way of etcd, to what they were at that entry of the log, UIDs
  included; controller and machine are started anew.
- *Killed* cuts (\`kill-…\`): the emulator is killed with a disk that has no cache, and switched on again. What it answered
  to be written is written.

Green means: the environment block could be read; the default slot and the armed one held a whole system; the machine
booted by itself; it ran the old or the new version and the Node said the same; the plan went on by itself. It ended as
the line says, the node uncordoned, the slot that ran the default, nothing armed; or, where it has to begin anew
("goes on"), the agent was seen to do so.

\`--seed\` decides the moments and what survives of a recording. Two recordings differ a little, as two boots do: with the
same seed they are cut in the same parts of the same phases. \`--cut ID,ID\` makes a recording and does these cuts alone.

The machine checks what both slots share before it mounts it, as [every node should](../agent.md#what-a-node-must-have).
While it did not, one cut of a recording tore the last block of that file system's journal (2,048 of 4,096 bytes), Linux
6.1 refused to mount it, and the node stayed in emergency mode.

| | cut | seed | phase | moment (entry of the log, what was written) | then | s |
|---|---|---|---|---|---|---|
${lines.join('\n')}
`;
}

const cell = (text: string): string => (text.split('\n')[0] ?? '').replaceAll('|', '\\|');
