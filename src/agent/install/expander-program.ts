import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { errnoOf } from '../../domain/errno.ts';
import { TransientError } from '../../domain/errors.ts';
import { type BlockReader, openBlockReader } from './block-reader.ts';
import { imageInvalid } from './image-format.ts';

type Child = ChildProcessByStdio<Writable, null, Readable>;

/** The programs that expand, with what they are told. */
const COMMANDS = {
  zstd: ['zstd', '-d', '-c', '-q'],
  gzip: ['gzip', '-d', '-c', '-q'],
  // A crafted file could ask for 4 GiB of memory; the largest preset takes 65 MiB.
  xz: ['xz', '-d', '-c', '-q', '--threads=1', '--memlimit-decompress=192MiB'],
} as const;

/** The running program that expands, and what it prints. */
export interface Expander {
  readonly name: keyof typeof COMMANDS;
  readonly child: Child;
  readonly output: BlockReader;
}

/** Starts the program that expands a packing; undefined if the machine has none. */
export async function startExpander(name: keyof typeof COMMANDS): Promise<Expander | undefined> {
  const output = await openBlockReader();
  const child = spawnExpander(name, output);
  // Writing to a program that has ended is told by its exit code, not by a crash of ours.
  child.stdin.on('error', () => undefined);
  try {
    await once(child, 'spawn');
    return { name, child, output };
  } catch (error) {
    output.destroy();
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Expands by a program, in blocks. It is killed as soon as nobody wants its output any more.
 * @throws StalledError `ImageInvalid` with what the program says; whatever `source` throws
 */
export async function* expandByProgram(
  { name, child, output }: Expander,
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
      throw imageInvalid(`${name} cannot expand the image (${complaint.trim()})`, 'pack it anew');
    }
    await feeding;
    if (code !== 0) throw new TransientError('ExpandingInterrupted', `the ${name} program was killed`);
  } finally {
    child.kill('SIGKILL');
    output.destroy();
    child.stdin.destroy();
  }
}

async function feed(child: Child, source: AsyncIterator<Buffer>): Promise<void> {
  try {
    // Not for-await: what it does not take stays in the source, so that its digest can still be completed.
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

/** Waits until the program takes more, or has ended. */
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

function spawnExpander(name: keyof typeof COMMANDS, { programsEnd }: BlockReader): Child {
  const [program, ...args] = COMMANDS[name];
  try {
    return spawn(program, args, { stdio: ['pipe', programsEnd, 'pipe'] });
  } finally {
    // The program has an end of its own now; its exit has to close the last one.
    programsEnd.destroy();
  }
}
