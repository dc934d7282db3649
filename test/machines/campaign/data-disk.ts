import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../../env/node/run-program.ts';
import { type Firmware, MIB } from '../disk/layout.ts';
import type { MachineNode } from '../machine-node.ts';
import type { DiskName } from '../qemu/command-line.ts';
import type { World } from '../world.ts';
import type { CaseContext, CaseNodeOptions } from './case.ts';
import { inMachine } from './refusals.ts';

const PARTITION_MIB = 24;

/**
 * A second disk for one machine, which has partitions 2 and 3 of its own, with a file system each, DATA-2 and DATA-3:
 * the numbers that slots have on the system's disk. One that is there already is taken as it is.
 */
export async function dataDisk({ cluster }: World, name: string): Promise<string> {
  const path = join(cluster.dir, `data-${name}.raw`);
  if (!existsSync(path)) await makeDataDisk(path);
  return path;
}

/** A node with such a disk as its second; `data` is the name of that for {@link dataDisk}. */
export const dataDiskNode =
  ({ firmware, diskName, data }: DataDiskNode) =>
  async ({ world }: CaseContext): Promise<CaseNodeOptions> => ({
    firmware,
    hardware: { diskName, dataDisk: { path: await dataDisk(world, data) } },
  });

interface DataDiskNode {
  readonly firmware: Firmware;
  readonly diskName: DiskName;
  readonly data: string;
}

/** What the running system calls a partition of the second disk: the kernel may find the two in either order. */
export const dataPartition = (node: MachineNode, number: 2 | 3): Promise<string> =>
  inMachine(node, `blkid -L DATA-${number}`);

/** SHA-256 of everything on a disk. */
export async function hashOfDisk(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

async function makeDataDisk(path: string): Promise<void> {
  const partitions = [1, 2, 3].map(number => ({
    number,
    start: (1 + (number - 1) * PARTITION_MIB) * MIB,
  }));
  await writeFile(path, '');
  await truncate(path, (2 + 3 * PARTITION_MIB) * MIB);
  const lines = partitions.map(
    ({ start }) => `start=${start / 512}, size=${(PARTITION_MIB * MIB) / 512}, type=L, name=primary`,
  );
  const script = `${path}.table`;
  await writeFile(script, ['label: gpt', ...lines, ''].join('\n'));
  await runProgram('sh', '-c', 'sfdisk -q --no-reread --no-tell-kernel "$1" < "$2"', 'sfdisk', path, script);
  for (const { number, start } of partitions.slice(1))
    await runProgram(
      ...['mke2fs', '-q', '-t', 'ext4', '-L', `DATA-${number}`, '-E', `offset=${start}`],
      ...[path, `${PARTITION_MIB}M`],
    );
}
