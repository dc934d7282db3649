import { copyFile, mkdir, open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeTempDir, removeTempDir } from '../test/env/cluster-temp-dir.ts';
import { buildImage, type Image } from '../test/env/images.ts';
import { serve } from './image-host.ts';
import type { InstallFigures } from './install.ts';
import { median, output } from './measure.ts';
import { type Row, say } from './table.ts';

const MIB = 1024 * 1024;
const IMAGE = { version: 'v1.35.1', sizeMiB: 512, fillMiB: 205 };
const PAIRS = 5;

interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
}

interface Pair {
  readonly ours: InstallFigures;
  readonly pipe: Cost;
  /** The pipe, and then the slot read back by dd and sha256sum. */
  readonly pipeAndReadBack: Cost;
}

/** One installation by the agent against the same by curl, sha256sum, zstd and dd, alternating. */
export async function measureInstalls(stack: AsyncDisposableStack): Promise<Row[]> {
  say(`an image of ${IMAGE.sizeMiB} MiB`);
  const image = await buildImage(IMAGE);
  const root = await makeHost(stack);
  const url = await serve(stack, image.zstPath);
  const pairs: Pair[] = [];
  // The first pair warms up caches, and is thrown away.
  for (let pair = 0; pair <= PAIRS; pair++) {
    say(`installing, pair ${pair} of ${PAIRS}`);
    const ours = await installOnce(root, url, image);
    const pipes = await pipeOnce(root, url, image);
    if (pair > 0) pairs.push({ ours, ...pipes });
  }
  return rowsOf(pairs);
}

function rowsOf(pairs: readonly Pair[]): Row[] {
  const middle = (pick: (pair: Pair) => number): number => median(pairs.map(pick));
  const against = (other: 'pipe' | 'pipeAndReadBack', cost: keyof Cost, what: string): Row => ({
    what,
    figure: `${middle(pair => pair.ours[cost] / pair[other][cost]).toFixed(2)} ×`,
    detail: [middle(({ ours }) => ours[cost]), middle(pair => pair[other][cost])]
      .map(ms => `${(ms / 1000).toFixed(2)} s`)
      .join(' to '),
  });
  return [
    against('pipe', 'wallMs', 'install, wall time, to the pipe (1)'),
    against('pipe', 'cpuMs', 'install, processor time, to the pipe (1)'),
    against('pipeAndReadBack', 'wallMs', 'install, wall time, to pipe and read-back (2)'),
    against('pipeAndReadBack', 'cpuMs', 'install, processor time, to both (2)'),
    {
      what: 'install, from the last byte to the end',
      figure: `${(middle(({ ours }) => ours.lastMs) / 1000).toFixed(2)} s`,
      detail: 'flush, rest of the read-back',
    },
    {
      what: 'install, highest memory',
      figure: `${middle(({ ours }) => ours.peakMiB).toFixed(0)} MiB`,
      detail: `${middle(({ ours }) => ours.idleMiB).toFixed(0)} MiB before it`,
    },
  ];
}

async function makeHost(stack: AsyncDisposableStack): Promise<string> {
  const root = makeTempDir('bench');
  stack.defer(() => removeTempDir(root));
  const { path } = await buildImage({ version: 'v1.34.1', sizeMiB: 16, fillMiB: 1 });
  await copyFile(path, join(root, 'a.img'));
  await truncate(join(root, 'a.img'), IMAGE.sizeMiB * MIB);
  await fillSlot(join(root, 'b.img'));
  await mkdir(join(root, 'proc'));
  await writeFile(join(root, 'proc/cmdline'), 'root=LABEL=ROOT-A\n');
  return root;
}

/** Written all over, so that a plain file costs as little as a partition: its blocks are allocated. */
async function fillSlot(path: string): Promise<void> {
  const handle = await open(path, 'w');
  const block = Buffer.alloc(4 * MIB, 0x55);
  for (let written = 0; written < IMAGE.sizeMiB * MIB; written += block.length) await handle.write(block);
  await handle.sync();
  await handle.close();
}

async function installOnce(root: string, url: string, image: Image): Promise<InstallFigures> {
  const program = join(import.meta.dirname, 'install.ts');
  const args = [program, root, url, image.checksum, String(image.sizeBytes)];
  return JSON.parse(await output(process.execPath, args));
}

async function pipeOnce(root: string, url: string, image: Image): Promise<Omit<Pair, 'ours'>> {
  const script = join(import.meta.dirname, 'pipe.sh');
  const { checksum, sizeBytes } = image;
  const args = [script, url, join(root, 'b.img'), checksum.slice('sha256:'.length), String(sizeBytes)];
  const [pipe, readBack] = (await output('bash', args)).trim().split('\n').map(costOf);
  if (pipe === undefined || readBack === undefined) throw new Error('bash tells no times');
  const pipeAndReadBack = { wallMs: pipe.wallMs + readBack.wallMs, cpuMs: pipe.cpuMs + readBack.cpuMs };
  return { pipe, pipeAndReadBack };
}

function costOf(line: string): Cost {
  const [wall = 0, user = 0, system = 0] = line.split(' ').map(Number);
  return { wallMs: wall * 1000, cpuMs: (user + system) * 1000 };
}
