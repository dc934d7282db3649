import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { errnoOf } from '../../domain/errno.ts';
import { StalledError, TransientError } from '../../domain/errors.ts';
import { isSameNode, type SlotNode, statSlot } from './device.ts';

/** A slot that no other of our processes has open for writing. */
export interface HeldSlot extends Pick<SlotNode, 'path' | 'kind'> {
  /** Another one after `lend`. */
  readonly handle: FileHandle;
  /**
   * Lets go of the device, that it can be mounted, but not of the name that keeps our other processes out. It is taken
   * again when `use` has ended, however it ended.
   * @throws as `holdSlot`; whatever `use` throws
   */
  lend<T>(use: () => Promise<T>): Promise<T>;
  release(): Promise<void>;
}

/**
 * Opens a slot for writing, alone. A block device is opened with O_EXCL, which the kernel refuses while it is mounted
 * or part of something; our own processes keep each other out by a name in the abstract socket space, which vanishes
 * with the process (a lock file would stay after a power cut).
 * @throws StalledError `SlotNotFound`, `SlotMounted`; TransientError `SlotBusy`
 */
export async function holdSlot(link: string): Promise<HeldSlot> {
  const node = await statSlot(link);
  if (node === undefined)
    throw new StalledError('SlotNotFound', `${link} is no block device and no plain file`);
  const { path, device } = node;
  const { major, minor } = device;
  const lock = await lockName(
    `twinslot-${node.kind}-${major}-${minor}-${node.kind === 'file' ? node.inode : 0}`,
    path,
  );
  const exclusive = node.kind === 'block' ? constants.O_EXCL : 0;
  const openAlone = async (): Promise<FileHandle> => {
    const handle = await open(path, constants.O_RDWR | exclusive).catch((cause: unknown) => {
      throw asOpenError(path, cause);
    });
    const now = await statSlot(path);
    if (now !== undefined && isSameNode(node, now)) return handle;
    await handle.close();
    throw new StalledError('SlotNotFound', `${path} is another device or file than before: retry`);
  };
  try {
    return new OpenSlot(node, await openAlone(), openAlone, lock);
  } catch (error) {
    await unlock(lock);
    throw error;
  }
}

class OpenSlot implements HeldSlot {
  readonly path: string;
  readonly kind: SlotNode['kind'];
  handle: FileHandle;
  readonly #open: () => Promise<FileHandle>;
  readonly #lock: Server;

  constructor(node: SlotNode, handle: FileHandle, openAgain: () => Promise<FileHandle>, lock: Server) {
    this.path = node.path;
    this.kind = node.kind;
    this.handle = handle;
    this.#open = openAgain;
    this.#lock = lock;
  }

  async lend<T>(use: () => Promise<T>): Promise<T> {
    await this.handle.close();
    const [outcome] = await Promise.allSettled([use()]);
    const again = await this.#open().catch((error: unknown) => {
      throw outcome.status === 'rejected' ? outcome.reason : error;
    });
    this.handle = again;
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }

  async release(): Promise<void> {
    // It is closed already where it could not be opened again.
    await this.handle.close().catch(() => undefined);
    await unlock(this.#lock);
  }
}

const asOpenError = (path: string, cause: unknown): Error =>
  errnoOf(cause) === 'EBUSY'
    ? new StalledError('SlotMounted', `${path} is in use (mounted, or part of LVM or RAID): unmount it`, {
        cause,
      })
    : new StalledError('SlotWriteFailed', `cannot open ${path} for writing`, { cause });

function lockName(name: string, path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy());
    server.once('error', cause => {
      reject(new TransientError('SlotBusy', `another process is writing to ${path}: wait for it`, { cause }));
    });
    server.listen(`\0${name}`, () => {
      server.unref();
      resolve(server);
    });
  });
}

const unlock = (lock: Server): Promise<void> => new Promise(resolve => lock.close(() => resolve()));
