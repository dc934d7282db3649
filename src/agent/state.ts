import { access, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'winston';
import type { z } from 'zod';
import { SlotName } from '../api/monok8s/index.ts';
import { errnoOf } from '../domain/errno.ts';
import { messageOf, StalledError } from '../domain/errors.ts';
import { PinnedPlan, StagedMarker, TrialRecord } from './decide/records.ts';
import { type GuardNote, NOTE_LIMIT_BYTES, parseGuardNote } from './guard/note.ts';

/** One durable value. */
export interface Durable<T> {
  /** `undefined` if there is none, or it cannot be read or understood. */
  load(): Promise<T | undefined>;
  /**
   * Flushed to the disk when it resolves.
   * @throws StalledError `StateNotKept`
   */
  save(value: T): Promise<void>;
  /**
   * Gone from the disk when it resolves.
   * @throws StalledError `StateNotKept`
   */
  clear(): Promise<void>;
  /**
   * Saves, or clears, as well as one can: where the folder cannot be written, this process alone remembers it. For the
   * way back from a trial, which must not wait for a disk.
   */
  hold(value: T | undefined): Promise<void>;
}

/** The agent's memory, on storage that both slots share. A hint only: what is found on the node decides. */
export interface StateStore {
  readonly trial: Durable<TrialRecord>;
  readonly marker: Durable<StagedMarker>;
  readonly pin: Durable<PinnedPlan>;
  /**
   * The slot that was last known to be the default while it ran. Trial guards go by it where they cannot read the boot
   * loader's environment, so it must not name a slot that is about to be tried.
   */
  readonly defaultSlot: Durable<SlotName>;
  /** What a trial guard left there before it rebooted the machine. */
  readonly guardNote: Pick<Durable<GuardNote>, 'load' | 'clear'>;
  /**
   * Proves that the folder takes a file.
   * @throws StalledError `StateNotKept`
   */
  assertWritable(): Promise<void>;
}

/** Keeps the agent's memory as JSON files in `folder`, which is made if need be. */
export function openState(folder: string, logger: Logger): StateStore {
  const file = <T>(name: string, schema: z.ZodType<T>) => jsonFile(folder, name, schema, logger);
  return {
    trial: file('trial.json', TrialRecord),
    marker: file('staged.json', StagedMarker),
    pin: file('plan.json', PinnedPlan),
    defaultSlot: file(DEFAULT_SLOT_FILE, SlotName),
    guardNote: noteFile(folder),
    assertWritable: async () => {
      const probe = join(folder, 'probe');
      // As much as any of the files above takes.
      const work = async () => {
        await replaceFile(folder, probe, ' '.repeat(4096));
        await removeFile(folder, probe);
      };
      await work().catch(notKept(probe));
    },
  };
}

/** Names that the script of a trial guard knows. */
const DEFAULT_SLOT_FILE = 'default-slot.json';
const GUARD_NOTE_FILE = 'trial-guard-note';

function noteFile(folder: string): StateStore['guardNote'] {
  const path = join(folder, GUARD_NOTE_FILE);
  return {
    load: async () => {
      const handle = await open(path, 'r').catch(() => undefined);
      if (handle === undefined) return undefined;
      try {
        const { buffer, bytesRead } = await handle.read(
          Buffer.alloc(NOTE_LIMIT_BYTES),
          0,
          NOTE_LIMIT_BYTES,
          0,
        );
        return parseGuardNote(buffer.toString('utf8', 0, bytesRead));
      } catch {
        return undefined;
      } finally {
        await handle.close();
      }
    },
    clear: () => removeFile(folder, path).catch(notKept(path)),
  };
}

function jsonFile<T>(folder: string, name: string, schema: z.ZodType<T>, logger: Logger): Durable<T> {
  const path = join(folder, name);
  let held: { readonly value: T | undefined } | undefined;
  const load = async (): Promise<T | undefined> => {
    if (held) return held.value;
    try {
      const text = await readFile(path, 'utf8').catch(ifMissing(undefined));
      return text === undefined ? undefined : schema.parse(JSON.parse(text));
    } catch (error) {
      logger.warn('state file cannot be understood, going by what is found on the node', {
        path,
        error: messageOf(error),
      });
      return undefined;
    }
  };
  const save = async (value: T): Promise<void> => {
    await replaceFile(folder, path, JSON.stringify(value)).catch(notKept(path));
    held = undefined;
  };
  const clear = async (): Promise<void> => {
    await removeFile(folder, path).catch(notKept(path));
    held = undefined;
  };
  const hold = async (value: T | undefined): Promise<void> => {
    await (value === undefined ? clear() : save(value)).catch((error: unknown) => {
      logger.error('state cannot be kept beyond this process', { path, error: messageOf(error) });
      held = { value };
    });
  };
  return { load, save, clear, hold };
}

const notKept =
  (path: string) =>
  (cause: unknown): never => {
    throw new StalledError(
      'StateNotKept',
      `${path} cannot be written, and without it no reboot is tried: give the state folder (stateDir of the agent's ` +
        'configuration) a writable file system with room',
      { cause },
    );
  };

async function replaceFile(folder: string, path: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFlushed(`${path}.new`, text);
  await rename(`${path}.new`, path);
  await flushFolder(folder);
}

async function removeFile(folder: string, path: string): Promise<void> {
  const isThere = await access(path).then(() => true, ifMissing(false));
  if (!isThere) return;
  await rm(path, { force: true });
  await flushFolder(folder);
}

async function writeFlushed(path: string, text: string): Promise<void> {
  const handle = await open(path, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

// A rename or removal is lost with the power unless the folder itself is flushed.
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const ifMissing =
  <T>(otherwise: T) =>
  (error: unknown): T => {
    if (errnoOf(error) === 'ENOENT') return otherwise;
    throw error;
  };
