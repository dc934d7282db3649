import type { StageProgress } from '../../ports.ts';
import type { HeldSlot } from '../../slots/exclusive.ts';
import { destroySuperblock } from '../superblock-io.ts';
import { type Entry, type Inode, walk } from '../tree/tree.ts';
import type { FileSystemPlan } from './file-system-plan.ts';
import { assertSound, dropCaches, makeHiddenFileSystem } from './make-file-system.ts';
import { type MountedSlot, mountSlot } from './mounted-slot.ts';
import { revealFileSystem } from './reveal.ts';
import { Unpacker } from './unpacker.ts';
import { verifyTree } from './verify-tree.ts';

/** A slot to be filled with files. */
export interface FillOptions {
  readonly slot: { readonly name: string; readonly sizeBytes: number };
  readonly held: HeldSlot;
  readonly plan: FileSystemPlan;
  readonly signal: AbortSignal;
  onProgress(progress: StageProgress): void;
}

/** What fills a slot sees of it. */
export interface Filling {
  /** Takes the files. Another one after `restart`. */
  unpacker(): Unpacker;
  /** Begins anew, with an empty file system. */
  restart(): Promise<void>;
}

/**
 * Makes a file system on a slot, has it filled, flushes it, compares what the disk gives back with what was unpacked,
 * and only then makes it one that can be found.
 * @param fill unpacks everything, and throws if it was not what was asked for
 * @returns hash of the superblock
 * @throws StalledError `SlotWriteFailed`, `ReadBackMismatch`, `ProgramMissing`; whatever `fill` throws
 */
export async function fillSlot(
  options: FillOptions,
  fill: (filling: Filling) => Promise<void>,
): Promise<string> {
  const { held, slot, signal } = options;
  await destroySuperblock(held.handle);
  try {
    await held.lend(async () => fillLent(options, fill));
    signal.throwIfAborted();
    return await revealFileSystem(held.handle, `ROOT-${slot.name}`);
  } catch (error) {
    await destroyAgain(held);
    throw error;
  }
}

/** What is there was hidden already; without it nobody has to wonder what it is. */
const destroyAgain = (held: HeldSlot): Promise<void> => destroySuperblock(held.handle).catch(() => undefined);

async function fillLent(options: FillOptions, fill: (filling: Filling) => Promise<void>): Promise<void> {
  const { held, signal } = options;
  const tree = await unpackAll(options, fill);
  const total = bytesOf(tree);
  const tell = (done: number): void =>
    options.onProgress({ phase: 'Installing', bytesDone: Math.min(done, total), bytesTotal: total });
  tell(0);
  await dropCaches(held, signal);
  await assertSound(held.path, signal);
  const mounted = await mountSlot(held, 'check');
  try {
    await verifyTree({ root: mounted.root, tree, signal, onBytes: tell });
    await mounted.unmount();
  } finally {
    await mounted.drop();
  }
  tell(total);
}

/** Unpacks, and flushes; returns what has to be there. */
async function unpackAll(options: FillOptions, fill: (filling: Filling) => Promise<void>): Promise<Entry> {
  let [mounted, unpacker] = await begin(options);
  const drop = async (): Promise<void> => {
    await unpacker.kill();
    await mounted.drop();
  };
  try {
    await fill({
      unpacker: () => unpacker,
      restart: async () => {
        await drop();
        [mounted, unpacker] = await begin(options);
      },
    });
    await unpacker.finish();
    await mounted.unmount();
    return unpacker.tree;
  } finally {
    await drop();
  }
}

async function begin({ slot, held, plan, signal }: FillOptions): Promise<[MountedSlot, Unpacker]> {
  await makeHiddenFileSystem({ path: held.path, sizeBytes: slot.sizeBytes }, plan, signal);
  const mounted = await mountSlot(held, 'fill');
  return [
    mounted,
    new Unpacker({
      root: mounted.root,
      slotBytes: slot.sizeBytes,
      blockBytes: plan.blockBytes,
      signal,
    }),
  ];
}

function bytesOf(tree: Entry): number {
  const inodes = new Set<Inode>();
  for (const [, { inode }] of walk(tree)) inodes.add(inode);
  return [...inodes].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
