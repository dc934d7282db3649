import { runProgram } from '../../env/node/run-program.ts';

export const MIB = 1024 * 1024;

/** What starts the machine: UEFI takes GRUB from a FAT partition, a BIOS from the sectors behind the MBR. */
export type Firmware = 'uefi' | 'bios';

/** Where a partition lies on its disk, in bytes. */
export interface Partition {
  readonly offset: number;
  readonly size: number;
}

/** Names of the partitions, in their order on the disk: `boot` is number 1. */
export const PARTITION_NAMES = ['boot', 'rootA', 'rootB', 'persist'] as const;
export type PartitionName = (typeof PARTITION_NAMES)[number];

/** A machine's disk: a sparse plain file with KubeOS's four partitions. */
export interface DiskLayout {
  readonly path: string;
  readonly firmware: Firmware;
  readonly partitions: Readonly<Record<PartitionName, Partition>>;
}

/** The partition of a slot. */
export const slotPartition = (slot: 'A' | 'B'): PartitionName => (slot === 'A' ? 'rootA' : 'rootB');

/**
 * Reads the partition table of a disk that {@link makeDisk} made, or of a copy.
 * @throws Error if it has not four partitions
 */
export async function readLayout(path: string): Promise<DiskLayout> {
  const table = await readTable(path);
  const [boot, rootA, rootB, persist] = table.partitions.map(partition => ({
    offset: partition.start * SECTOR,
    size: partition.size * SECTOR,
  }));
  if (!boot || !rootA || !rootB || !persist) throw new Error(`${path} has not four partitions`);
  const firmware = table.label === 'gpt' ? 'uefi' : 'bios';
  return { path, firmware, partitions: { boot, rootA, rootB, persist } };
}

const SECTOR = 512;

interface SfdiskTable {
  readonly label: string;
  /** In sectors. */
  readonly partitions: readonly { readonly start: number; readonly size: number }[];
}

async function readTable(path: string): Promise<SfdiskTable> {
  const parsed: { partitiontable: SfdiskTable } = JSON.parse(await runProgram('sfdisk', '--json', path));
  return parsed.partitiontable;
}

/** Copies a disk of a machine that is off; holes stay holes. */
export async function copyDisk(disk: DiskLayout, path: string): Promise<DiskLayout> {
  await runProgram('cp', '--sparse=auto', '--reflink=auto', disk.path, path);
  return { ...disk, path };
}
