import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { errnoOf } from '../../domain/errno.ts';
import { TransientError } from '../../domain/errors.ts';
import { type BlockReader, openBlockReader } from './block-reader.ts';
import { imageInvalid } from './image-format.ts';

type Child = ChildProcessByStdio<Writable, null, Readable>;

/** The running `zstd` program, and what it prints. */
export interface Zstd {
  readonly child: Child;
  readonly output: BlockReader;
}

/** Starts the `zstd` program; undefined if the machine has none. */
export async function startZstd(): Promise<Zstd | undefined> {
  const output = await openBlockReader();
  const child = spawnZstd(output);
  // Writing to a program that has ended is told by its exit code, not by a crash of ours.
  child.stdin.on('error', () => undefined);
  try {
    await once(child, 'spawn');
    return { child, output };
  } catch (error) {
    output.destroy();
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Expands by the `zstd` program, in blocks. It is killed as soon as nobody wants its output any more.
 * @throws StalledError `ImageInvalid` with what zstd says; whatever `source` throws
 */
export async function* expandByProgram(
  { child, output }: Zstd,
  source: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  const closed = once(child, 'close');
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-500);
  });
  const feeding = feed(child, source);
  // Looked at below; until then a failure must not count as unhandled.
  feeding.catch(() => undefined);
  try {
    yield* output.blocks();
    const [code] = await closed;
    // A program that gave up is not waited for with the next bytes: the server may be silent.
    if (typeof code === 'number' && code !== 0) {
      throw imageInvalid(`zstd cannot expand the image (${complaint.trim()})`, 'pack it anew');
    }
    await feeding;
    if (code !== 0) throw new TransientError('ExpandingInterrupted', 'the zstd program was killed');
  } finally {
    child.kill('SIGKILL');
    output.destroy();
    child.stdin.destroy();
  }
}

async function feed(child: Child, source: AsyncIterator<Buffer>): Promise<void> {
  try {
    // Not for-await: what zstd does not take stays in the source, so that its digest can still be completed.
    for (;;) {
      const next = await source.next();
      if (next.done) break;
      if (child.stdin.destroyed || child.exitCode !== null) return;
      if (!child.stdin.write(next.value)) await drained(child);
    }
    child.stdin.end();
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

/** Waits until zstd takes more, or has ended. */
const drained = (child: Child): Promise<void> =>
  new Promise(resolve => {
    const done = () => {
      child.stdin.off('drain', done).off('close', done).off('error', done);
      child.off('exit', done);
      resolve();
    };
    child.stdin.once('drain', done).once('close', done).once('error', done);
    child.once('exit', done);
  });

function spawnZstd({ programsEnd }: BlockReader): Child {
  try {
    return spawn('zstd', ['-d', '-c', '-q'], { stdio: ['pipe', programsEnd, 'pipe'] });
  } finally {
    // The program has an end of its own now; its exit has to close the last one.
    programsEnd.destroy();
  }
}
