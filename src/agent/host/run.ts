import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { errnoOf } from '../../domain/errno.ts';
import { StalledError } from '../../domain/errors.ts';

/** A program to run: no shell is involved. */
export interface RunOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** What the program reads from its standard input; nothing if absent. */
  readonly input?: string;
  /** More output than this is cut off; the program still runs to its end. */
  readonly maxOutputBytes?: number;
}

/** How a program ended. `code` is undefined if a signal ended it. */
export interface RunResult {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** What a program left running may hold its output open; that is not waited for longer. */
const OUTPUT_GRACE_MS = 500;

/** Where system programs lie that a user's search path leaves out. */
const SYSTEM_PROGRAMS = '/usr/sbin';

/**
 * Runs a program to its end and collects what it prints. The whole process group is killed when time is over or
 * `signal` fires, so that nothing of it stays behind. It always resolves soon after that: neither what was started
 * beside the group nor a program that the kernel does not let die (a disk or a server that hangs) is waited for.
 * @throws StalledError `ProgramMissing` if there is no such program
 */
export async function run(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const [program = '', ...args] = argv;
  try {
    return await runOnce([program, ...args], options);
  } catch (error) {
    // A folder of the search path that may not be read shows as EACCES, though the program is elsewhere or nowhere.
    const isSearched = !program.includes('/') && errnoOf(error) === 'EACCES';
    if (errnoOf(error) !== 'ENOENT' && !isSearched) throw error;
    if (program.includes('/')) throw programMissing(program, error);
  }
  return runOnce([`${SYSTEM_PROGRAMS}/${program}`, ...args], options).catch((error: unknown) => {
    throw errnoOf(error) === 'ENOENT' ? programMissing(program, error) : error;
  });
}

async function runOnce(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const [program = '', ...args] = argv;
  const { signal } = options;
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    // A program that ends before it has read everything says by its exit code what that means.
    child.stdin.on('error', () => undefined).end(options.input);
    const out = collect(child.stdout, options.maxOutputBytes);
    const err = collect(child.stderr, options.maxOutputBytes);
    let timedOut = false;
    let grace: NodeJS.Timeout | undefined;
    const settle = (act: () => void) => {
      clearTimeout(timer);
      clearTimeout(grace);
      signal?.removeEventListener('abort', stop);
      letGo(child);
      act();
    };
    const end = (code: number | null) =>
      settle(() =>
        signal?.aborted
          ? reject(signal.reason)
          : resolve({ code: code ?? undefined, stdout: out(), stderr: err(), timedOut }),
      );
    const endSoon = (code: number | null) => {
      grace ??= setTimeout(() => end(code), OUTPUT_GRACE_MS);
    };
    const stop = () => {
      killGroup(child.pid);
      endSoon(null);
    };
    const timer = setTimeout(() => {
      timedOut = true;
      stop();
    }, options.timeoutMs);
    signal?.addEventListener('abort', stop, { once: true });
    child.once('error', error => settle(() => reject(error)));
    child.once('exit', endSoon).once('close', end);
  });
}

/** Whatever of it still lives does not keep this process. */
function letGo(child: ChildProcessByStdio<Writable, Readable, Readable>): void {
  child.stdin.destroy();
  child.stdout.destroy();
  child.stderr.destroy();
  child.unref();
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

function collect(stream: NodeJS.ReadableStream, maxBytes = 65_536): () => string {
  const parts: Buffer[] = [];
  let left = maxBytes;
  stream.on('data', (chunk: Buffer) => {
    if (left > 0) parts.push(chunk.subarray(0, left));
    left -= chunk.length;
  });
  return () => Buffer.concat(parts).toString('utf8');
}

/** The refusal of what needs a program that is not there. */
export const programMissing = (program: string, cause?: unknown): StalledError =>
  new StalledError('ProgramMissing', `the program ${program} is not there: install it where the agent runs`, {
    cause,
  });
