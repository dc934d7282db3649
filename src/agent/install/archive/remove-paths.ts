import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { errnoOf } from '../../../domain/errno.ts';
import { StalledError } from '../../../domain/errors.ts';
import { programMissing } from '../../host/run.ts';

/**
 * Removes files and folders with everything below. Names are bytes, hence the way round arguments.
 * @param paths relative to `root`, real, one byte a character; one that is not there any more is fine
 * @throws StalledError `SlotWriteFailed`, `ProgramMissing`
 */
export async function removePaths(
  root: string,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const child = spawn('xargs', ['-0', 'rm', '-rf', '--'], {
    cwd: root,
    stdio: ['pipe', 'ignore', 'pipe'],
    signal,
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-300);
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(Buffer.from(paths.map(path => `./${path}\0`).join(''), 'latin1'));
  await once(child, 'close').catch((error: unknown) => {
    throw errnoOf(error) === 'ENOENT' ? programMissing('xargs', error) : error;
  });
  if (child.exitCode === 0) return;
  throw new StalledError(
    'SlotWriteFailed',
    `files that a layer hides could not be removed from the slot (${complaint.trim()}): check the disk, then retry`,
  );
}
