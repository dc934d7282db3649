import { ok } from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { runProgram } from '../../env/node/run-program.ts';
import type { DiskLayout, PartitionName } from './layout.ts';
import { copyOut, hasJournalToReplay } from './replay-journal.ts';
import { withScratchFile } from './scratch.ts';

const BLOCK = 4096;
/** @source Linux, "ext4 Data Structures and Algorithms", Journal (jbd2): all its numbers are big-endian */
const JOURNAL = { inode: 8, magic: 0xc03b3998, commit: 2 } as const;

/**
 * Leaves of the journal's last commit block the first half alone, as a power cut does on storage that keeps 512 bytes
 * whole and no more.
 */
export async function tearJournal(disk: DiskLayout, name: PartitionName): Promise<void> {
  ok(await hasJournalToReplay(disk, name), 'there is a journal to replay');
  const file = await open(disk.path, 'r+');
  try {
    let last = { sequence: -1, at: -1 };
    for (const block of await journalBlocks(disk, name)) {
      const at = disk.partitions[name].offset + block * BLOCK;
      const head = Buffer.alloc(12);
      await file.read(head, 0, head.length, at);
      const [magic, type, sequence] = [0, 4, 8].map(offset => head.readUInt32BE(offset));
      if (magic !== JOURNAL.magic || type !== JOURNAL.commit || sequence === undefined) continue;
      if (sequence > last.sequence) last = { sequence, at };
    }
    ok(last.at >= 0, 'the journal has a commit block');
    await file.write(Buffer.alloc(BLOCK / 2, 0x55), 0, BLOCK / 2, last.at + BLOCK / 2);
  } finally {
    await file.close();
  }
}

const journalBlocks = (disk: DiskLayout, name: PartitionName): Promise<number[]> =>
  withScratchFile(async copy => {
    await copyOut(disk, name, copy);
    const text = await runProgram('debugfs', '-R', `blocks <${JOURNAL.inode}>`, copy);
    return text.trim().split(/\s+/).map(Number);
  });
