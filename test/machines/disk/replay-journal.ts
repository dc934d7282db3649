import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { runProgram, TOOL_PATH } from '../../env/node/run-program.ts';
import { type DiskLayout, MIB, type Partition, type PartitionName } from './layout.ts';
import { withScratchFile } from './scratch.ts';

/**
 * Brings the ext4 of a partition into the state that the next mount would give it. Without a journal to replay, it stays
 * as it is.
 */
export async function replayJournal(disk: DiskLayout, name: PartitionName): Promise<void> {
  if (!(await hasJournalToReplay(disk, name))) return;
  const partition = disk.partitions[name];
  // e2fsck forgets on the way that the file system does not begin where the file does.
  await withScratchFile(async copy => {
    await copyOut(disk, name, copy);
    const env = { ...process.env, PATH: TOOL_PATH, LC_ALL: 'C' };
    const run = promisify(execFile)('e2fsck', ['-E', 'journal_only', '-y', copy], { env });
    // It ends with 1 for having changed something.
    await run.catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 1)) throw error;
    });
    await copyChangesBack(copy, disk.path, partition);
  });
}

/** Copies a partition into a file of its own; holes stay holes. */
export async function copyOut(disk: DiskLayout, name: PartitionName, file: string): Promise<void> {
  const { offset, size } = disk.partitions[name];
  const from = [`if=${disk.path}`, `skip=${offset}`, `count=${size}`, 'iflag=skip_bytes,count_bytes'];
  await runProgram('dd', ...from, `of=${file}`, 'bs=1M', 'conv=sparse', 'status=none');
}

/** Tells whether ext4's superblock says that its journal holds what is not yet in its place. */
export async function hasJournalToReplay(disk: DiskLayout, name: PartitionName): Promise<boolean> {
  const file = await open(disk.path, 'r');
  try {
    const superblock = Buffer.alloc(1024);
    await file.read(superblock, 0, 1024, disk.partitions[name].offset + 1024);
    return superblock.readUInt16LE(0x38) === 0xef53 && (superblock.readUInt32LE(0x60) & 4) !== 0;
  } finally {
    await file.close();
  }
}

/** Writes what differs and nothing else, as the disk's holes are to stay. */
async function copyChangesBack(copy: string, path: string, partition: Partition): Promise<void> {
  const [from, to] = [await open(copy, 'r'), await open(path, 'r+')];
  try {
    const [wanted, found] = [Buffer.alloc(MIB), Buffer.alloc(MIB)];
    for (let at = 0; at < partition.size; at += MIB) {
      const length = Math.min(MIB, partition.size - at);
      await from.read(wanted, 0, length, at);
      await to.read(found, 0, length, partition.offset + at);
      if (!wanted.equals(found)) await to.write(wanted, 0, length, partition.offset + at);
    }
  } finally {
    await from.close();
    await to.close();
  }
}
