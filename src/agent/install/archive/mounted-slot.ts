import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { errnoOf } from '../../../domain/errno.ts';
import { StalledError } from '../../../domain/errors.ts';
import { programMissing } from '../../host/run.ts';

/** A slot's file system, mounted where only a process that belongs to us sees it. */
export interface MountedSlot {
  /** The folder that is its root, for this process and for programs that it starts. */
  readonly root: string;
  /** Flushes and unmounts. @throws StalledError `SlotWriteFailed` */
  unmount(): Promise<void>;
  /** Lets go whatever happened before. */
  drop(): Promise<void>;
}

/**
 * Keeps the mount while it waits for a word. When its input ends, as it does when this process dies, it ends too, and
 * with it the name space and all that is mounted there. It mounts over a folder that is there anyway, so that none is
 * left behind.
 */
const KEEPER = `
mount -n -t ext4 -o "$1" -- "$2" "$3" || exit 10
cd "$3" || exit 11
echo mounted
read -r word || exit 12
[ "$word" = unmount ] || exit 13
sync -f . || exit 14
cd / || exit 15
umount -n -- "$3" || exit 16
`;

const OPTIONS = {
  fill: 'rw,noatime,nodev,noexec,nosuid,errors=remount-ro',
  check: 'ro,noload,nodev,noexec,nosuid',
} as const;

type Keeper = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * Mounts a slot in a name space of its own: writable to fill it, or read-only to look at what the disk has.
 * @throws StalledError `SlotWriteFailed`, `ProgramMissing`
 */
export async function mountSlot(
  slot: { readonly path: string; readonly kind: 'block' | 'file' },
  purpose: keyof typeof OPTIONS,
): Promise<MountedSlot> {
  const options = OPTIONS[purpose] + (slot.kind === 'file' ? ',loop' : '');
  const inside = ['--mount', '--propagation', 'private', '--', 'sh', '-c', KEEPER, 'keeper'];
  const keeper = spawn('unshare', [...inside, options, slot.path, tmpdir()], {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: '/',
  });
  keeper.stdin.on('error', () => undefined);
  const complaint = complaintOf(keeper);
  const closed = once(keeper, 'close');
  await Promise.race([once(keeper.stdout, 'data'), closed]).catch((error: unknown) => {
    throw errnoOf(error) === 'ENOENT' ? programMissing('unshare', error) : error;
  });
  if (keeper.exitCode !== null || keeper.signalCode !== null) throw failed(slot.path, 'mounted', complaint());
  return {
    root: `/proc/${keeper.pid}/cwd`,
    unmount: async () => {
      keeper.stdin.end('unmount\n');
      await closed;
      if (keeper.exitCode !== 0) throw failed(slot.path, 'unmounted', complaint());
    },
    drop: async () => {
      if (keeper.exitCode !== null || keeper.signalCode !== null) return;
      keeper.kill('SIGKILL');
      await closed;
    },
  };
}

function complaintOf(keeper: Keeper): () => string {
  let text = '';
  keeper.stderr.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString('utf8')).slice(-300);
  });
  return () => text.trim();
}

const failed = (path: string, what: string, complaint: string): StalledError =>
  new StalledError(
    'SlotWriteFailed',
    `${path} could not be ${what} (${complaint}): see the log of the kernel, then retry`,
  );
