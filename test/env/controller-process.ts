import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../../tools/lib/paths.mjs';
import type { Cluster } from './cluster.ts';
import { eventually } from './wait.ts';

type LogLine = Readonly<Record<string, unknown>> & { readonly message: string };

/** The real controller, a process of its own with the rights that it has in production. */
export interface ControllerProcess {
  readonly username: string;
  readonly pid: number;
  readonly lines: readonly LogLine[];
  /** Resolves when it has logged this. */
  untilLogged(message: string): Promise<LogLine>;
  /** SIGTERM; resolves to its exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Sends any other signal, such as SIGSTOP. */
  signal(name: NodeJS.Signals): void;
}

/** Starts the controller; resolves when it knows who it is. `flags` are added to its command line. */
export async function startController(
  cluster: Cluster,
  flags: readonly string[] = [],
): Promise<ControllerProcess> {
  const kubeconfig = await cluster.serviceAccountKubeconfig({
    namespace: 'mono-system',
    serviceAccount: 'os-controller',
  });
  const args = [
    join(ROOT, 'src/ctl.ts'),
    'controller',
    '--kubeconfig',
    kubeconfig,
    '--lease-seconds=3',
    ...flags,
  ];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, LOG_LEVEL: 'debug' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const lines: LogLine[] = [];
  const stderr: string[] = [];
  child.stderr.on('data', chunk => stderr.push(String(chunk)));
  createInterface(child.stdout).on('line', line => lines.push(JSON.parse(line)));
  const untilLogged = (message: string): Promise<LogLine> =>
    eventually(
      () => {
        if (hasEnded(child)) throw new Error(`the controller has ended: ${stderr.join('')}`);
        return lines.find(line => line.message === message);
      },
      { timeoutMs: 20_000, everyMs: 20, what: `the controller logs "${message}"` },
    );
  const end = async (name: NodeJS.Signals): Promise<number | null> => {
    if (!hasEnded(child)) child.kill(name);
    await exited;
    return child.exitCode;
  };
  const { username } = await untilLogged('controller starts');
  return {
    username: String(username),
    pid: child.pid ?? 0,
    lines,
    untilLogged,
    stop: () => end('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
    signal: name => child.kill(name),
  };
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;
