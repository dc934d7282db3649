import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../../tools/lib/paths.mjs';

/** How an agent is started. */
export interface AgentStart {
  readonly nodeName: string;
  readonly podName: string;
  readonly configFile: string;
  readonly kubeconfig: string;
  readonly logFile: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A running agent. */
export interface AgentProcess {
  readonly pid: number;
  /** Resolves when it is gone, whatever ended it. */
  readonly exited: Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL after `graceMs`. Resolves when it is gone. */
  stop(graceMs: number): Promise<void>;
}

/** Starts the real agent as a process of its own, which dies with this one. */
export function startAgentProcess(start: AgentStart): AgentProcess {
  const log = openSync(start.logFile, 'a');
  const agent = [
    join(ROOT, 'src/ctl.ts'),
    'agent',
    '--config',
    start.configFile,
    '--kubeconfig',
    start.kubeconfig,
  ];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', process.execPath, ...agent], {
    stdio: ['ignore', log, log],
    env: {
      ...process.env,
      NODE_NAME: start.nodeName,
      POD_NAME: start.podName,
      POD_NAMESPACE: 'mono-system',
      ...start.env,
    },
  });
  closeSync(log);
  const { pid } = child;
  if (pid === undefined) throw new Error('cannot run setpriv: install util-linux');
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  return {
    pid,
    exited,
    signal: name => void child.kill(name),
    async stop(graceMs) {
      child.kill('SIGTERM');
      const tooLate = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(tooLate);
    },
  };
}
