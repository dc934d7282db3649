import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errnoOf } from '../../domain/errno.ts';
import { StalledError } from '../../domain/errors.ts';
import {
  decodeEnvironment,
  ENVIRONMENT_BYTES,
  type Environment,
  planWrites,
  sectorsToWrite,
} from './grubenv.ts';
import { readPastCache } from './past-cache.ts';

/**
 * Reads GRUB's environment block.
 * @throws StalledError `BootEnvironmentInvalid`
 */
export async function readEnvironment(path: string): Promise<Environment> {
  const handle = await openBlock(path, constants.O_RDONLY);
  try {
    return decoded(path, await readBlock(path, handle));
  } finally {
    await handle.close();
  }
}

/**
 * Changes some names in GRUB's environment block and keeps the others. The file is overwritten in place, since GRUB
 * remembers where its blocks lie on the disk, and read back.
 * @throws StalledError `BootEnvironmentInvalid`
 */
export async function changeEnvironment(path: string, changes: Environment): Promise<void> {
  const handle = await openBlock(path, constants.O_RDWR);
  try {
    const current = await readBlock(path, handle);
    decoded(path, current);
    const writes = planWrites(current, changes);
    if (writes === undefined) throw noRoom(path);
    let before = current;
    for (const block of writes) {
      await writeSectors(path, handle, { before, block });
      before = block;
    }
    if (!(await readBlock(path, handle)).equals(before))
      throw invalid(path, 'does not read back as it was written');
  } finally {
    await handle.close();
  }
}

/**
 * Tells, without writing, whether `changes` could be made.
 * @throws StalledError `BootEnvironmentInvalid`: it is read-only, or full
 */
export async function assertChangeable(path: string, changes: Environment): Promise<void> {
  const handle = await openBlock(path, constants.O_RDWR);
  try {
    const current = await readBlock(path, handle);
    decoded(path, current);
    if (planWrites(current, changes) === undefined) throw noRoom(path);
  } finally {
    await handle.close();
  }
}

/** Writes the sectors that differ, each flushed before the next. */
async function writeSectors(
  path: string,
  handle: FileHandle,
  { before, block }: { readonly before: Buffer; readonly block: Buffer },
): Promise<void> {
  for (const { at, bytes } of sectorsToWrite(before, block)) {
    try {
      await handle.write(bytes, 0, bytes.length, at);
      await handle.sync();
    } catch (cause) {
      await putBack(handle, before);
      throw notWritten(path, cause);
    }
  }
}

/** As well as one can, on the disk, and in the page cache too, which whoever else looks goes by. */
async function putBack(handle: FileHandle, block: Buffer): Promise<void> {
  const work = async (): Promise<void> => {
    await handle.write(block, 0, block.length, 0);
    await handle.sync();
  };
  await work().catch(() => undefined);
}

/** What the disk has: after a write that failed, the page cache goes on showing what was to be written. */
async function readBlock(path: string, handle: FileHandle): Promise<Buffer> {
  // One byte more than it may have, to see that it ends there.
  const wanted = ENVIRONMENT_BYTES + 1;
  try {
    const fromDisk = await readPastCache(path, wanted);
    if (fromDisk !== undefined) return fromDisk;
    const buffer = Buffer.alloc(wanted);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return buffer.subarray(0, bytesRead);
  } catch (cause) {
    throw invalid(path, `cannot be read (${errnoOf(cause) || 'unknown error'}; check the disk)`, cause);
  }
}

async function openBlock(path: string, flags: number): Promise<FileHandle> {
  const handle = await open(path, flags).catch((cause: unknown) => {
    throw READ_ONLY.includes(errnoOf(cause))
      ? readOnly(path, cause)
      : invalid(path, 'cannot be opened', cause);
  });
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw invalid(path, 'is no plain file');
}

function decoded(path: string, block: Buffer): Environment {
  const environment = decodeEnvironment(block);
  if (environment !== undefined) return environment;
  throw invalid(path, `is not an environment block of ${ENVIRONMENT_BYTES} bytes`);
}

const READ_ONLY = ['EROFS', 'EACCES', 'EPERM'];

const readOnly = (path: string, cause: unknown): StalledError =>
  new StalledError(
    'BootEnvironmentInvalid',
    `GRUB's environment block ${path} may not be written: mount its file system read-write (in the agent's container ` +
      'too), and take away the immutable attribute (chattr -i)',
    { cause },
  );

const notWritten = (path: string, cause: unknown): StalledError =>
  new StalledError(
    'BootEnvironmentInvalid',
    `GRUB's environment block ${path} could not be written (${errnoOf(cause) || 'unknown error'}): check the disk ` +
      'that it lies on (dmesg tells), then retry',
    { cause },
  );

const noRoom = (path: string): StalledError =>
  new StalledError(
    'BootEnvironmentInvalid',
    `GRUB's environment block ${path} has no room for the boot entries: remove variables that nothing uses ` +
      `(grub-editenv ${path} list shows them, grub-editenv ${path} unset NAME removes one)`,
  );

const invalid = (path: string, problem: string, cause?: unknown): StalledError =>
  new StalledError(
    'BootEnvironmentInvalid',
    `GRUB's environment block ${path} ${problem}: recreate it with grub-editenv ${path} create, ` +
      `then grub-editenv ${path} set saved_entry=<the running entry>`,
    cause === undefined ? {} : { cause },
  );
