import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import * as program from '../../src/cli/program.ts';
import { systemClock } from '../../src/domain/clock.ts';
import { ROOT } from '../../tools/lib/paths.mjs';

/** How `ctl` is called. */
export interface CtlOptions {
  readonly kubeconfig?: string;
  readonly stdin?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Only of a command within this process. */
  readonly signal?: AbortSignal;
}

/** What a call of `ctl` ended with. */
export interface CtlResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line within this process, which is quick: all but the few lines of src/ctl.ts are the same. */
export async function runCtl(args: readonly string[], options: CtlOptions = {}): Promise<CtlResult> {
  const { kubeconfig = '', stdin = '', environment = {}, signal = new AbortController().signal } = options;
  const [stdout, stderr]: string[][] = [[], []];
  const code = await program.runCtl(args, {
    environment: { KUBECONFIG: kubeconfig, ...environment },
    stdout: { write: line => void stdout?.push(line) },
    stderr: { write: line => void stderr?.push(line) },
    isTerminal: false,
    columns: 100,
    rows: 50,
    clock: systemClock,
    signal,
    readStdin: async () => stdin,
  });
  return { code, stdout: stdout?.join('') ?? '', stderr: stderr?.join('') ?? '' };
}

/** Starts `ctl` as a process of its own, which knows no API server but the one it is given. */
export function startCtl(args: readonly string[], options: CtlOptions = {}): ChildProcessWithoutNullStreams {
  const { kubeconfig = '', environment = {} } = options;
  const env = { PATH: process.env.PATH ?? '', KUBECONFIG: kubeconfig, ...environment };
  return spawn(process.execPath, [join(ROOT, 'src/ctl.ts'), ...args], { env });
}

/** Runs `ctl` as a process of its own to its end. */
export async function spawnCtl(args: readonly string[], options: CtlOptions = {}): Promise<CtlResult> {
  const child = startCtl(args, options);
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');
  const ended = new Promise<number | null>(resolve => child.on('close', resolve));
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}
