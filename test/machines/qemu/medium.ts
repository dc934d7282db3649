import { FORMAT_NODE, MEDIUM_NODE } from './command-line.ts';
import type { Machine } from './machine.ts';

const FILTER_NODE = 'bad-sectors';

/** A sector of 512 bytes that the medium does not read, or does not write, from now on: it answers with EIO. */
export interface BadSector {
  readonly sector: number;
  readonly on: 'read' | 'write';
}

/**
 * Gives the plain disk of a running machine bad sectors, until they are mended or the machine is started anew.
 * https://www.qemu.org/docs/master/devel/testing/blkdebug.html
 */
export async function spoilMedium(machine: Machine, sectors: readonly BadSector[]): Promise<void> {
  await machine.control('blockdev-add', {
    ...{ driver: 'blkdebug', 'node-name': FILTER_NODE, image: MEDIUM_NODE },
    'inject-error': sectors.map(({ sector, on }) => ({ event: 'none', iotype: on, errno: EIO, sector })),
  });
  await reopen(machine, FILTER_NODE);
}

/** Makes the medium well again, as a disk does that had spare sectors. */
export async function mendMedium(machine: Machine): Promise<void> {
  await reopen(machine, MEDIUM_NODE);
  await machine.control('blockdev-del', { 'node-name': FILTER_NODE });
}

const EIO = 5;

const reopen = (machine: Machine, file: string): Promise<unknown> =>
  machine.control('blockdev-reopen', {
    options: [
      {
        ...{ driver: 'raw', 'node-name': FORMAT_NODE, file },
        ...{ cache: { 'no-flush': true }, discard: 'unmap' },
      },
    ],
  });
