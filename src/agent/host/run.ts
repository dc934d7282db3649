import { spawn } from 'node:child_process';
import { StalledError } from '../../domain/errors.ts';
import { errnoOf } from './errno.ts';

/** A program to run: no shell is involved. */
export interface RunOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
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

/** Where system programs lie that a user's search path leaves out. */
const SYSTEM_PROGRAMS = '/usr/sbin';

/**
 * Runs a program to its end and collects what it prints. The whole process group is killed when time is over or
 * `signal` fires, so that nothing of it stays behind.
 * @throws StalledError `ProgramMissing` if there is no such program
 */
export async function run(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const [program = '', ...args] = argv;
  try {
    return await runOnce([program, ...args], options);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    if (program.includes('/')) throw missing(program, error);
  }
  return runOnce([`${SYSTEM_PROGRAMS}/${program}`, ...args], options).catch((error: unknown) => {
    throw errnoOf(error) === 'ENOENT' ? missing(program, error) : error;
  });
}

async function runOnce(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const [program = '', ...args] = argv;
  options.signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let timedOut = false;
    const kill = () => killGroup(child.pid);
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, options.timeoutMs);
    options.signal?.addEventListener('abort', kill, { once: true });
    const out = collect(child.stdout, options.maxOutputBytes);
    const err = collect(child.stderr, options.maxOutputBytes);
    const end = () => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', kill);
    };
    child.once('error', error => {
      end();
      reject(error);
    });
    child.once('close', code => {
      end();
      if (options.signal?.aborted) return reject(options.signal.reason);
      resolve({ code: code ?? undefined, stdout: out(), stderr: err(), timedOut });
    });
  });
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

const missing = (program: string, cause: unknown): StalledError =>
  new StalledError('ProgramMissing', `the program ${program} is not there: install it where the agent runs`, {
    cause,
  });
