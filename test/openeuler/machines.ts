import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { type ControllerProcess, startController } from '../env/controller-process.ts';
import { type ImageServer, startImageServer } from '../env/image-server.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { type NodeOptions, startNode } from '../env/node/start-node.ts';
import { nameOf, SIZES, SLOT_MIB } from './images.ts';
import { MachinesView } from './machines-view.ts';

/** Release that all nodes begin with. */
export const FIRST = '1.0.0';

/** So much of the controller's log is shown with a wait in vain. */
const LOG_LINES = 60;

/** What a machines consists of. */
export interface MachinesOptions {
  readonly workers: number;
  /** A control-plane node beside the workers. Default true. */
  readonly controlPlane?: boolean;
  /** What is special about a worker, by its number from 1. */
  readonly worker?: (number: number) => Partial<NodeOptions>;
}

/** A cluster of KubeOS nodes with the real controller, as an administrator of the openEuler API sees it. */
export class Machines {
  readonly cluster: Cluster;
  /** Serves images over plain http. */
  readonly server: ImageServer;
  readonly workers: readonly EmulatedNode[];
  readonly controlPlane: EmulatedNode | undefined;
  controller: ControllerProcess;

  readonly view: MachinesView;
  readonly #rest: AsyncDisposableStack;

  private constructor(
    parts: Pick<Machines, 'cluster' | 'server' | 'view' | 'workers' | 'controlPlane' | 'controller'>,
    rest: AsyncDisposableStack,
  ) {
    this.cluster = parts.cluster;
    this.server = parts.server;
    this.view = parts.view;
    this.workers = parts.workers;
    this.controlPlane = parts.controlPlane;
    this.controller = parts.controller;
    this.#rest = rest;
    this.view.explain = () => this.controller.lines.slice(-LOG_LINES).map(toLine).join('\n');
  }

  /** Starts all of it, the nodes side by side; resolves when the controller may give plans to every node. */
  static async start(options: MachinesOptions): Promise<Machines> {
    await using stack = new AsyncDisposableStack();
    const server = await startImageServer();
    stack.defer(() => server.close());
    const cluster = await startCluster({ name: 'kubeos' });
    stack.defer(() => cluster.stop());
    await cluster.installTwinslot();
    const view = await MachinesView.connect(cluster);
    stack.defer(() => view.api.close());
    const controller = await startController(cluster);
    stack.defer(async () => void (await controller.stop()));
    const { controlPlane, workers } = await startNodes(cluster, options, stack);
    const managed = '--for=jsonpath={.metadata.labels.monok8s\\.io/managed}=true';
    await cluster.kubectl(['wait', managed, 'node', '--all', '--timeout=60s']);
    return new Machines({ cluster, server, view, controller, controlPlane, workers }, stack.move());
  }

  /** Ends everything. The controller may be another one than that of the start. */
  async stop(): Promise<void> {
    await this.controller.stop();
    await this.#rest.disposeAsync();
  }

  /** A worker by its number from 1. */
  worker(number: number): EmulatedNode {
    const node = this.workers[number - 1];
    if (node === undefined) throw new Error(`there is no worker ${number}`);
    return node;
  }

  /** `kubectl apply -f upgrade_v1alpha1_os.yaml`, as the document says. */
  async apply(yaml: string): Promise<void> {
    const file = join(this.cluster.dir, 'upgrade_v1alpha1_os.yaml');
    await writeFile(file, yaml);
    await this.cluster.kubectl(['apply', '-f', file]);
  }

  /** Waits until the workers run a release and are back in service, and the control-plane node still its own. */
  async untilAllRun(version: string): Promise<void> {
    const wanted: Record<string, string> = {
      ...(this.controlPlane && { [this.controlPlane.name]: nameOf(FIRST) }),
      ...Object.fromEntries(this.workers.map(({ name }) => [name, nameOf(version)])),
    };
    await this.view.until(`all workers run ${nameOf(version)}`, async () =>
      (await this.view.nodes()).every(
        ({ metadata, spec, status }) =>
          status.nodeInfo.osImage === wanted[metadata.name] && spec.unschedulable !== true,
      ),
    );
    expect(await this.view.systems()).to.deep.equal(wanted);
  }
}

const toLine = (line: object): string => JSON.stringify(line);

/** Nodes join at the same time. Those that came up end with the stack, also when another did not. */
async function startNodes(
  cluster: Cluster,
  { workers, controlPlane = true, worker = () => ({}) }: MachinesOptions,
  stack: AsyncDisposableStack,
): Promise<Pick<Machines, 'controlPlane' | 'workers'>> {
  const common = { version: FIRST, systemName: 'KubeOS', slotMiB: SLOT_MIB, ...SIZES };
  const start = async (name: string, change: Partial<NodeOptions>): Promise<EmulatedNode> => {
    const node = await startNode(cluster, { name, ...common, ...change });
    stack.defer(() => node.stop());
    return node;
  };
  const names = Array.from({ length: workers }, (_, index) => index + 1);
  const all = await Promise.allSettled([
    ...(controlPlane ? [start('control-plane-1', { controlPlane: true })] : []),
    ...names.map(number => start(`worker-${number}`, worker(number))),
  ]);
  const started = all.map(result => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
  return controlPlane
    ? { controlPlane: started[0], workers: started.slice(1) }
    : { controlPlane: undefined, workers: started };
}

/** Starts a machines before the tests of a file and stops it after them. */
export function useMachines(options: MachinesOptions): () => Machines {
  let machines: Machines | undefined;
  before(async function () {
    this.timeout(120_000);
    machines = await Machines.start(options);
  });
  after(async function () {
    this.timeout(60_000);
    await machines?.stop();
  });
  return () => {
    if (machines === undefined) throw new Error('the machines is not there before the tests run');
    return machines;
  };
}
