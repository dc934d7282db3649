import { open, rm } from 'node:fs/promises';
import { copyDisk, type DiskLayout, slotPartition } from '../disk/layout.ts';
import { fsck, readGrubEnvironment, readSlotFile } from '../disk/offline.ts';
import { hasJournalToReplay } from '../disk/replay-journal.ts';
import type { Recording } from './recording.ts';

/** What a disk without power says. */
export interface DiskFacts {
  /** The slot that is booted unless something is armed. */
  readonly defaultSlot: string;
  readonly armed: string;
  /** What each slot holds: a version, nothing that can be found, or a file system that is not clean. */
  readonly slots: Readonly<Record<'A' | 'B', string>>;
}

/**
 * Looks at a disk that lost its power.
 * @throws Error when GRUB's environment cannot be read, or the default slot or the armed one is not whole
 */
export async function lookAtDisk(disk: DiskLayout, { osImages }: Recording): Promise<DiskFacts> {
  const environment = await readGrubEnvironment(disk);
  const defaultSlot = environment.get('saved_entry') || 'A';
  const armed = environment.get('next_entry') ?? '';
  const slots = { A: await describeSlot(disk, 'A'), B: await describeSlot(disk, 'B') };
  const allowed: Record<string, string> = { A: osImages.A, B: osImages.B };
  for (const slot of [defaultSlot, armed]) {
    if (slot === '') continue;
    const found = slot === 'A' || slot === 'B' ? slots[slot] : 'no slot';
    if (found !== allowed[slot])
      throw new Error(`${slot === armed ? 'the armed' : 'the default'} slot ${slot} holds: ${found}`);
  }
  for (const slot of ['A', 'B'] as const) {
    const isKnown = [allowed[slot], UNFINDABLE, `${allowed[slot]}, not clean`].includes(slots[slot]);
    if (!isKnown) throw new Error(`slot ${slot} holds: ${slots[slot]}`);
  }
  return { defaultSlot, armed, slots };
}

const UNFINDABLE = 'nothing that can be found';

async function describeSlot(disk: DiskLayout, slot: 'A' | 'B'): Promise<string> {
  const file = await open(disk.path, 'r');
  const magic = Buffer.alloc(2);
  try {
    await file.read(magic, 0, 2, disk.partitions[slotPartition(slot)].offset + 1024 + 0x38);
  } finally {
    await file.close();
  }
  if (magic.readUInt16LE() !== 0xef53) return UNFINDABLE;
  const hasJournal = await hasJournalToReplay(disk, slotPartition(slot));
  // Reading replays a journal, and the machine is to find this disk as the power cut left it.
  const looked = hasJournal ? await copyDisk(disk, `${disk.path}.looked-at`) : disk;
  try {
    const release = await readSlotFile(looked, slot, '/usr/lib/os-release');
    const [, name = 'no os-release'] = /^PRETTY_NAME="(.*)"$/m.exec(release ?? '') ?? [];
    const { clean } = await fsck(looked, slotPartition(slot));
    return clean && !hasJournal ? name : `${name}, not clean`;
  } finally {
    if (hasJournal) await rm(looked.path, { force: true });
  }
}
