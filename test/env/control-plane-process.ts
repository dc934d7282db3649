import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** A running program of the control plane. */
export interface Daemon {
  readonly pid: number;
  readonly hasExited: boolean;
  /** SIGTERM, and SIGKILL if it is still there after `graceMs` (default 20,000). Resolves when it is gone. */
  terminate(graceMs?: number): Promise<void>;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** The end of its log, for error messages. */
  logTail(): string;
}

/** Where a program runs and writes. */
export interface DaemonPlace {
  readonly cwd: string;
  readonly logFile: string;
}

const running = new Set<ChildProcess>();

// Before their folders are removed: one that still writes would keep its folder alive.
process.prependOnceListener('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Starts a program that dies with us: the kernel kills it when this process ends in whatever way, SIGKILL
 * included. It does not keep this process alive either.
 */
export function startDaemon(path: string, args: readonly string[], place: DaemonPlace): Daemon {
  const log = openSync(place.logFile, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', path, ...args], {
    cwd: place.cwd,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  child.unref();
  running.add(child);
  child.once('exit', () => running.delete(child));
  const { pid } = child;
  if (pid === undefined) {
    throw new Error('cannot run setpriv: install it (Debian: apt-get install util-linux)');
  }
  return {
    pid,
    get hasExited() {
      return isOver(child);
    },
    terminate: graceMs => terminate(child, graceMs ?? 20_000),
    kill: () => end(child, 'SIGKILL'),
    logTail: () => readFileSync(place.logFile, 'utf8').trimEnd().split('\n').slice(-10).join('\n'),
  };
}

const isOver = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function terminate(child: ChildProcess, graceMs: number): Promise<void> {
  const waiting = new AbortController();
  const tooLate = delay(graceMs, undefined, { signal: waiting.signal }).then(
    () => end(child, 'SIGKILL'),
    () => undefined,
  );
  await Promise.race([end(child, 'SIGTERM'), tooLate]);
  waiting.abort();
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (isOver(child)) return;
  const exited = once(child, 'exit');
  // Awaited, so it has to keep this process alive after all.
  child.ref();
  child.kill(signal);
  await exited;
}
