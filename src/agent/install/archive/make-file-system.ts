import { StalledError } from '../../../domain/errors.ts';
import { run } from '../../host/run.ts';
import type { FileSystemPlan } from './file-system-plan.ts';
import { HIDING_FEATURE } from './hidden-superblock.ts';

const LIMIT_MS = 10 * 60_000;

/**
 * Makes an empty file system on a slot, without a label and such that no boot loader reads it.
 * @throws StalledError `SlotWriteFailed`, `ProgramMissing`
 */
export async function makeHiddenFileSystem(
  slot: { readonly path: string; readonly sizeBytes: number },
  plan: FileSystemPlan,
  signal: AbortSignal,
): Promise<void> {
  const { features, blockBytes, inodeBytes, bytesPerInode } = plan;
  const options = ['-q', '-F', '-t', 'ext4', '-L', '', '-m', '0'];
  const sizes = ['-b', `${blockBytes}`, '-I', `${inodeBytes}`, '-i', `${bytesPerInode}`];
  const wanted = ['-O', ['none', ...features, HIDING_FEATURE].join(',')];
  // Nothing is left for the kernel to do later, when the slot is mounted read-only for good.
  const now = ['-E', 'nodiscard,lazy_itable_init=0,lazy_journal_init=0'];
  const blocks = String(Math.floor(slot.sizeBytes / blockBytes));
  const { code, stderr } = await run(
    ['mke2fs', ...options, ...sizes, ...wanted, ...now, '--', slot.path, blocks],
    { timeoutMs: LIMIT_MS, signal },
  );
  if (code === 0) return;
  throw new StalledError(
    'SlotWriteFailed',
    `no file system could be made on ${slot.path} (mke2fs: ${stderr.trim().slice(-300)}): check the disk and the size ` +
      'of the slot',
  );
}

/**
 * Proves that a file system which was unmounted is sound.
 * @throws StalledError `ReadBackMismatch`, `ProgramMissing`
 */
export async function assertSound(path: string, signal: AbortSignal): Promise<void> {
  const { code, stdout, stderr } = await run(['e2fsck', '-fn', '--', path], { timeoutMs: LIMIT_MS, signal });
  if (code === 0) return;
  throw new StalledError(
    'ReadBackMismatch',
    `the slot's new file system is damaged (e2fsck: ${`${stdout}${stderr}`.trim().slice(-300)}): replace the disk`,
  );
}

/**
 * Drops what the kernel remembers of a slot, so that the next who reads it reads the disk.
 * @throws StalledError `SlotWriteFailed`, `ProgramMissing`
 */
export async function dropCaches(
  { path, kind }: { readonly path: string; readonly kind: 'block' | 'file' },
  signal: AbortSignal,
): Promise<void> {
  const argv =
    kind === 'block'
      ? ['blockdev', '--flushbufs', path]
      : [
          'dd',
          `of=${path}`,
          'oflag=nocache',
          'conv=notrunc,fdatasync',
          'count=0',
          'status=none',
          'if=/dev/null',
        ];
  const { code, stderr } = await run(argv, { timeoutMs: LIMIT_MS, signal });
  if (code === 0) return;
  throw new StalledError(
    'SlotWriteFailed',
    `${path} could not be flushed (${stderr.trim().slice(-300)}): check the disk, then retry`,
  );
}
