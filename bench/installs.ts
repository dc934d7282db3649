import { copyFile, mkdir, mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, type Image } from '../test/env/images.ts';
import { serve } from './image-host.ts';
import type { InstallFigures } from './install.ts';
import { median, output } from './measure.ts';
import { type Row, say } from './table.ts';

const MIB = 1024 * 1024;
const IMAGE = { version: 'v1.35.1', sizeMiB: 512, fillMiB: 205 };
const PAIRS = 5;

interface Pair {
  readonly ours: InstallFigures;
  readonly pipe: { readonly wallMs: number; readonly cpuMs: number };
}

/** One installation by the agent against the same by curl, sha256sum, zstd and dd, alternating. */
export async function measureInstalls(): Promise<Row[]> {
  say(`an image of ${IMAGE.sizeMiB} MiB`);
  const image = await buildImage(IMAGE);
  await using stack = new AsyncDisposableStack();
  const root = await makeHost(stack);
  const url = await serve(stack, image.zstPath);
  const pairs: Pair[] = [];
  // The first pair warms up caches, and is thrown away.
  for (let pair = 0; pair <= PAIRS; pair++) {
    say(`installing, pair ${pair} of ${PAIRS}`);
    const ours = await installOnce(root, url, image);
    const pipe = await pipeOnce(root, url, image);
    if (pair > 0) pairs.push({ ours, pipe });
  }
  return rowsOf(pairs);
}

function rowsOf(pairs: readonly Pair[]): Row[] {
  const middle = (pick: (pair: Pair) => number): number => median(pairs.map(pick));
  const ratio = (pick: (pair: Pair) => number): string => `${middle(pick).toFixed(2)} ×`;
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
  return [
    {
      what: 'install, wall time, read-back included',
      figure: ratio(({ ours, pipe }) => ours.wallMs / pipe.wallMs),
      detail: `${seconds(middle(({ ours }) => ours.wallMs))} to ${seconds(middle(({ pipe }) => pipe.wallMs))}`,
    },
    {
      what: 'install, wall time, without the read-back',
      figure: ratio(({ ours, pipe }) => (ours.wallMs - ours.readBackMs) / pipe.wallMs),
      detail: `read-back ${seconds(middle(({ ours }) => ours.readBackMs))}, which the pipe does not do`,
    },
    {
      what: 'install, processor time',
      figure: ratio(({ ours, pipe }) => ours.cpuMs / pipe.cpuMs),
      detail: `${seconds(middle(({ ours }) => ours.cpuMs))} to ${seconds(middle(({ pipe }) => pipe.cpuMs))}`,
    },
    {
      what: 'install, highest memory of the process',
      figure: `${middle(({ ours }) => ours.peakMiB).toFixed(0)} MiB`,
      detail: `${middle(({ ours }) => ours.idleMiB).toFixed(0)} MiB before it`,
    },
  ];
}

async function makeHost(stack: AsyncDisposableStack): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'bench-'));
  stack.defer(() => rm(root, { recursive: true, force: true }));
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

async function pipeOnce(root: string, url: string, image: Image): Promise<Pair['pipe']> {
  const args = [join(import.meta.dirname, 'pipe.sh'), url, join(root, 'b.img'), image.checksum.slice(7)];
  const [wall = 0, user = 0, system = 0] = (await output('bash', args)).trim().split(' ').map(Number);
  return { wallMs: wall * 1000, cpuMs: (user + system) * 1000 };
}
