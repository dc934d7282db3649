// What `npm run bench` runs: figures of this machine, as ratios to public tools where there are any to compare with.
import '../tools/lib/system-path.mjs';
import { readAgentOptions } from './agent-options.ts';
import { measureInstalls } from './installs.ts';
import { measureLargeFleet } from './large-fleet.ts';
import { measureFleet } from './rollout.ts';
import { printTable, type Row } from './table.ts';

const HELP = `Figures of this machine, as ratios to public tools where there are any. As root; nothing is left behind.

  npm run bench                    all parts
  npm run bench -- PART...         some of them:
    install      an install by the agent against curl, sha256sum, zstd and dd
    fleet        both programs at rest, and what a rollout costs beside the installation
    large-fleet  the controller alone, at 100 nodes
  npm run bench -- --help          this text`;

const PARTS: Readonly<Record<string, (stack: AsyncDisposableStack) => Promise<Row[]>>> = {
  install: measureInstalls,
  fleet: measureFleet,
  'large-fleet': measureLargeFleet,
};

const NOTES = `
(1) curl | tee >(sha256sum) | zstd -dc | dd conv=fsync, which reads nothing back; the install does
(2) the same and then dd iflag=direct | sha256sum of the slot`;

const wanted = process.argv.slice(2);
const unknown = wanted.filter(name => !(name in PARTS));
if (wanted.some(word => ['--help', '-h', 'help'].includes(word))) console.log(HELP);
else if (unknown.length > 0) {
  console.error(`There is no such part: ${unknown.join(', ')}\n\n${HELP}`);
  process.exitCode = 2;
} else {
  // For every process that is started here, as in production.
  process.env.NODE_OPTIONS = readAgentOptions().nodeOptions;
  printTable(await measureAll(wanted));
  console.log(NOTES);
}

async function measureAll(names: readonly string[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(PARTS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    await using stack = new AsyncDisposableStack();
    const end = (): void => void stack.disposeAsync().finally(() => process.exit(130));
    process.once('SIGINT', end).once('SIGTERM', end);
    rows.push(...(await measure(stack)));
    process.off('SIGINT', end).off('SIGTERM', end);
  }
  return rows;
}
