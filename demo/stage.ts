import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Cluster, startCluster } from '../test/env/cluster.ts';
import { startController } from '../test/env/controller-process.ts';
import type { EmulatedNode } from '../test/env/node/emulated-node.ts';
import { type NodeOptions, startNode } from '../test/env/node/start-node.ts';
import { eventually } from '../test/env/wait.ts';
import { ROOT } from '../tools/lib/paths.mjs';
import { showCommand } from './screen.ts';

/** Slow enough for an eye to follow the bars. */
export const BYTES_PER_SECOND = 60 * 2 ** 20;
/** Big enough for bars to grow. */
export const SIZES = { sizeMiB: 288, fillMiB: 160 } as const;
const SLOT_MIB = 320;

/** What both stories are played on. Whatever is started ends with the stack. */
export interface Stage {
  readonly stack: AsyncDisposableStack;
  readonly cluster: Cluster;
  /** Folder of the person at the keyboard: commands are run there. */
  readonly desk: string;
}

/** What a command printed. */
interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a control plane and lays out a desk. */
export async function raiseStage(stack: AsyncDisposableStack): Promise<Stage> {
  const cluster = await startCluster({ name: 'demo' });
  stack.defer(() => cluster.stop());
  const desk = join(cluster.dir, 'desk');
  mkdirSync(desk);
  return { stack, cluster, desk };
}

/** Runs our own command as an administrator, at the desk. */
export function ctl({ cluster, desk }: Stage, ...args: string[]): Promise<Output> {
  const env = { ...process.env, KUBECONFIG: cluster.adminKubeconfig };
  return promisify(execFile)(process.execPath, [join(ROOT, 'src/ctl.ts'), ...args], { env, cwd: desk });
}

/** Runs `ctl status` and shows it. */
export async function showStatus(stage: Stage): Promise<void> {
  showCommand('ctl status', (await ctl(stage, 'status')).stdout);
}

/** Runs `kubectl` as a person would, and shows command and output. */
export async function kubectl({ cluster }: Stage, ...args: string[]): Promise<string> {
  const { stdout } = await cluster.kubectl(args);
  showCommand(`kubectl ${args.map(quote).join(' ')}`, stdout);
  return stdout;
}

/** Puts a file onto the desk, shows it and applies it. */
export async function applyFile({ cluster, desk }: Stage, name: string, text: string): Promise<void> {
  const path = join(desk, name);
  await writeFile(path, text);
  showCommand(`cat ${name}`, text);
  showCommand(`kubectl apply -f ${name}`, (await cluster.kubectl(['apply', '-f', path])).stdout);
}

/** A word as it is typed into a shell. */
export const quote = (word: string): string => {
  const [, option = '', value = ''] = /^([\w-]+=)(.*:\..*)$/.exec(word) ?? [];
  if (option !== '') return `${option}'${value}'`;
  return /[{}*' ]/.test(word) ? `'${word}'` : word;
};

/** Reads objects without showing it. */
export async function read<T>({ cluster }: Stage, ...args: string[]): Promise<T> {
  return JSON.parse((await cluster.kubectl(['get', ...args, '-o', 'json'])).stdout);
}

/** Runs `ctl create PART | kubectl apply -f -` for all that the agents need, and shows it. */
export async function installAgents(stage: Stage): Promise<void> {
  for (const part of ['rbac', 'agent']) {
    const { stdout: stdin } = await ctl(stage, 'create', part);
    const { stdout } = await stage.cluster.kubectl(['apply', '-f', '-'], { stdin });
    showCommand(`ctl create ${part} | kubectl apply -f -`, summary(stdout));
  }
}

const summary = (applied: string): string => {
  const lines = applied.trimEnd().split('\n');
  return lines.length > 4 ? [...lines.slice(0, 3), `… and ${lines.length - 3} more`].join('\n') : applied;
};

/** Machines join, side by side. Their agents come with the DaemonSet's pods. */
export async function startNodes(
  { cluster, stack }: Stage,
  common: Pick<NodeOptions, 'version' | 'systemName'>,
  workers: number,
): Promise<EmulatedNode[]> {
  const names = Array.from({ length: workers }, (_, index) => `node-${index + 1}`);
  const start = async (name: string, controlPlane: boolean): Promise<EmulatedNode> => {
    const node = await startNode(cluster, { ...common, name, controlPlane, slotMiB: SLOT_MIB, agent: 'pod' });
    stack.defer(() => node.stop());
    return node;
  };
  return Promise.all([start('cp-1', true), ...names.map(name => start(name, false))]);
}

/** The controller runs beside the nodes, with its own ServiceAccount's rights; and a workload, to have something to drain. */
export async function startWork(stage: Stage, nodes: number): Promise<void> {
  const { cluster, stack } = stage;
  const controller = await startController(cluster);
  stack.defer(async () => void (await controller.stop()));
  const stdin = await readFile(join(import.meta.dirname, 'workload.yaml'), 'utf8');
  await cluster.kubectl(['apply', '-f', '-'], { stdin });
  const managed = async (): Promise<boolean> => {
    const args = ['get', 'nodes', '-l', 'monok8s.io/managed=true', '-o', 'name'];
    return (await cluster.kubectl(args)).stdout.trim().split('\n').length === nodes;
  };
  await eventually(managed, { timeoutMs: 60_000, what: 'all agents have reported' });
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s']);
}
