import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../../env/node/run-program.ts';
import { readExt4File, removeExt4File, writeExt4File } from './ext4-files.ts';
import { grubFolder } from './grub-image.ts';
import { type DiskLayout, slotPartition } from './layout.ts';
import { copyOut, replayJournal } from './replay-journal.ts';
import { withScratchFile } from './scratch.ts';

type Slot = 'A' | 'B';

/** The content of a file in a slot; undefined if there is none. */
export const readSlotFile = async (disk: DiskLayout, slot: Slot, path: string): Promise<string | undefined> =>
  (await readExt4File(disk, slotPartition(slot), path))?.toString();

/** Writes a file into a slot, in place of one that is there; folders are made as needed, all owned by root. */
export const writeSlotFile = (
  disk: DiskLayout,
  slot: Slot,
  path: string,
  content: string | Buffer,
  mode = 0o644,
): Promise<void> => writeExt4File(disk, slotPartition(slot), { path, content, mode });

/** Removes a file from a slot, if it is there. */
export const removeSlotFile = (disk: DiskLayout, slot: Slot, path: string): Promise<void> =>
  removeExt4File(disk, slotPartition(slot), path);

/** The content of a file on PERSIST (`/etc/hosts` is the upper layer's), as the next boot would see it. */
export const readPersistFile = async (disk: DiskLayout, path: string): Promise<string | undefined> =>
  (await readExt4File(disk, 'persist', path))?.toString();

/** Writes a file on PERSIST, as {@link writeSlotFile} does. */
export const writePersistFile = (
  disk: DiskLayout,
  path: string,
  content: string | Buffer,
  mode = 0o644,
): Promise<void> => writeExt4File(disk, 'persist', { path, content, mode });

/** Removes a file from PERSIST, if it is there. */
export const removePersistFile = (disk: DiskLayout, path: string): Promise<void> =>
  removeExt4File(disk, 'persist', path);

/** A file of GRUB's folder on the boot partition, `grub.cfg` or `grubenv`; undefined if there is none. */
export async function readBootFile(disk: DiskLayout, name: string): Promise<Buffer | undefined> {
  const path = join(grubFolder(disk.firmware), name);
  if (disk.firmware === 'bios') return readExt4File(disk, 'boot', path);
  return withScratchFile(async file => {
    try {
      await runProgram('mcopy', '-n', '-i', espOf(disk), `::${path}`, file);
    } catch (error) {
      if (error instanceof Error && /not found/.test(error.message)) return undefined;
      throw error;
    }
    return readFile(file);
  });
}

/** Writes a file into GRUB's folder on the boot partition, in place of one that is there. */
export async function writeBootFile(disk: DiskLayout, name: string, content: string | Buffer): Promise<void> {
  const path = join(grubFolder(disk.firmware), name);
  if (disk.firmware === 'bios') return writeExt4File(disk, 'boot', { path, content, mode: 0o644 });
  await withScratchFile(async file => {
    await writeFile(file, content);
    await runProgram('mcopy', '-o', '-i', espOf(disk), file, `::${path}`);
  });
}

/** Removes a file from GRUB's folder on the boot partition. */
export async function removeBootFile(disk: DiskLayout, name: string): Promise<void> {
  const path = join(grubFolder(disk.firmware), name);
  if (disk.firmware === 'bios') return removeExt4File(disk, 'boot', path);
  await runProgram('mdel', '-i', espOf(disk), `::${path}`);
}

const espOf = (disk: DiskLayout): string => `${disk.path}@@${disk.partitions.boot.offset}`;

/**
 * What GRUB's environment block says.
 * @throws Error if there is none, or it is none
 */
export async function readGrubEnvironment(disk: DiskLayout): Promise<Map<string, string>> {
  const block = await readBootFile(disk, 'grubenv');
  if (block === undefined) throw new Error('the boot partition has no grubenv');
  return withScratchFile(async file => {
    await writeFile(file, block);
    const lines = (await runProgram('grub-editenv', file, 'list')).split('\n').filter(line => line !== '');
    return new Map(lines.map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  });
}

/** Makes a new environment block that says just this. */
export async function writeGrubEnvironment(
  disk: DiskLayout,
  environment: Readonly<Record<string, string>> | ReadonlyMap<string, string>,
): Promise<void> {
  const entries = environment instanceof Map ? [...environment] : Object.entries(environment);
  await withScratchFile(async file => {
    await runProgram('grub-editenv', file, 'create');
    for (const [name, value] of entries) await runProgram('grub-editenv', file, 'set', `${name}=${value}`);
    await writeBootFile(disk, 'grubenv', await readFile(file));
  });
}

/** Makes of the environment block what GRUB does not take for one. */
export const corruptGrubEnvironment = (disk: DiskLayout): Promise<void> =>
  writeBootFile(disk, 'grubenv', Buffer.alloc(1024, 0x55));

/** Turns bits of a partition's bytes over, `position` bytes from its beginning. */
export async function flipBits(
  disk: DiskLayout,
  partition: keyof DiskLayout['partitions'],
  position: number,
  count = 1,
): Promise<void> {
  const at = disk.partitions[partition].offset + position;
  const file = await open(disk.path, 'r+');
  try {
    const bytes = Buffer.alloc(count);
    await file.read(bytes, 0, count, at);
    await file.write(
      bytes.map(byte => byte ^ 0xff),
      0,
      count,
      at,
    );
  } finally {
    await file.close();
  }
}

/** What a check of a file system found. */
export interface FsckResult {
  readonly clean: boolean;
  readonly output: string;
}

/**
 * Checks the file system of a partition without mending anything; only its journal is replayed, as the next boot would.
 * A partition without a file system is not clean.
 */
export async function fsck(disk: DiskLayout, partition: keyof DiskLayout['partitions']): Promise<FsckResult> {
  if (partition === 'boot' && disk.firmware === 'uefi') return fsckFat(disk);
  const { offset } = disk.partitions[partition];
  return check(async () => {
    await replayJournal(disk, partition);
    return runProgram('e2fsck', '-fn', `${disk.path}?offset=${offset}`);
  });
}

const fsckFat = (disk: DiskLayout): Promise<FsckResult> =>
  withScratchFile(async file => {
    await copyOut(disk, 'boot', file);
    return check(() => runProgram('fsck.vfat', '-n', file));
  });

async function check(run: () => Promise<string>): Promise<FsckResult> {
  try {
    return { clean: true, output: await run() };
  } catch (error) {
    const parts = error instanceof Error && 'stdout' in error ? [error.stdout, error.message] : [error];
    return { clean: false, output: parts.join('\n') };
  }
}
