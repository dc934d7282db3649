// What `npm run test:machines` runs.
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { greenCuts } from '../power/evidence.ts';
import { startWorld } from '../world.ts';
import { CASES } from './cases.ts';
import { inTurn } from './in-turn.ts';
import { createNodes } from './nodes.ts';
import { keepResults } from './report.ts';
import { type CaseResult, runCase } from './run-case.ts';

const command = new Command('npm run test:machines --')
  .description('Runs the cases in which emulated machines boot, and writes docs/evidence/machines.md.')
  .option('--only <text>', 'cases whose id contains this; several with commas')
  .option('--seed <number>', 'decides every random moment', '1')
  .option(
    '--cut <ids>',
    'only these cuts of power cases, with commas; docs/evidence/power-cuts.md has the ids',
  )
  .option('--missing', 'of power cases, only cuts that are not green in docs/evidence yet')
  // More than that starves all of them: a trial is over before its system has started.
  .option('--jobs <number>', 'cases at a time; a machine needs a processor', `${availableParallelism()}`)
  .option('--list', 'names the cases and runs none')
  .option('--no-report', 'leaves docs/evidence alone')
  .parse();
const options = command.opts<{
  only?: string;
  seed: string;
  cut?: string;
  missing?: boolean;
  jobs: string;
  list?: boolean;
  report: boolean;
}>();
const chosen = CASES.filter(
  ({ id }) => !options.only || options.only.split(',').some(text => id.includes(text)),
);

if (options.list) for (const { id, title } of chosen) console.log(`${id.padEnd(44)} ${title}`);
else if (chosen.length === 0) command.error(`no case has ${options.only} in its id: --list names them`);
else if (!(Number(options.jobs) >= 1)) command.error(`--jobs is a number from 1 on, not ${options.jobs}`);
else if (process.getuid?.() !== 0) command.error('root is needed: it makes file systems and adds addresses');
else process.exitCode = (await runAll()) ? 0 : 1;
process.exit();

async function runAll(): Promise<boolean> {
  const startMs = performance.now();
  const world = await startWorld('machines');
  // Addresses and disks would stay.
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => void world.stop().finally(() => process.exit(130)));
  const nodes = createNodes(world);
  const results: CaseResult[] = [];
  const seed = Number(options.seed);
  const green = options.missing ? await greenCuts(seed) : new Set();
  const wantsCut = (id: string): boolean =>
    !green.has(id) && (!options.cut || options.cut.split(',').includes(id));
  let kept = Promise.resolve();
  const date = new Date().toISOString().slice(0, 10);
  try {
    await inTurn(chosen, Number(options.jobs), async testCase => {
      const head = `${chosen.indexOf(testCase) + 1}/${chosen.length} ${testCase.id}`;
      const show = (text: string): void => {
        const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
        if (process.stdout.isTTY)
          process.stdout.write(`\r\u001b[K${minutes} min  ${head}  ${text}`.slice(0, 110));
      };
      show('…');
      if (testCase.isAlone) await nodes.discardIdle();
      const isRecorded = options.report;
      const result = await runCase(testCase, {
        ...{ world, nodes, seed, date, isRecorded, wantsCut },
        step: show,
      });
      results.push(result);
      if (process.stdout.isTTY) process.stdout.write('\r\u001b[K');
      console.log(`${result.isOk ? '✔' : '✖'} ${head}  ${result.seconds} s  ${result.notes.join('; ')}`);
      if (result.error) console.log(`  ${result.error.replaceAll('\n', '\n  ')}`);
      if (options.report)
        // One after the other: neighbours may end at the same time.
        kept = kept.then(() =>
          keepResults(
            results,
            CASES.map(({ id }) => id),
          ),
        );
      await kept;
    });
  } finally {
    await world.stop();
  }
  const good = results.filter(result => result.isOk).length;
  console.log(`\n${good} passed, ${results.length - good} failed`);
  return good === results.length;
}
