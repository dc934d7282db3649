import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OSUpgradeProgress } from '../../src/api/monok8s/index.ts';
import type { OS, OSInstance } from '../../src/api/openeuler/index.ts';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { type ControllerProcess, startController } from '../env/controller-process.ts';
import { type ImageServer, startImageServer } from '../env/image-server.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { type NodeOptions, startNode } from '../env/node/start-node.ts';
import { eventually } from '../env/wait.ts';
import { nameOf, SIZES, SLOT_MIB } from './images.ts';

/** Release that all nodes begin with. */
export const FIRST = '1.0.0';

// Heartbeats of nodes do not count: these change with each.
const VERSIONS =
  'jsonpath={range .items[*]}{.metadata.name}{.spec}{.metadata.labels}{.metadata.annotations}{.status.phase}{end}';

/** What a farm consists of. */
export interface FarmOptions {
  readonly workers: number;
  /** A control-plane node beside the workers. Default true. */
  readonly controlPlane?: boolean;
  /** What is special about a worker, by its number from 1. */
  readonly worker?: (number: number) => Partial<NodeOptions>;
}

/** The parts of a Node that these tests look at. */
export interface NodeObject {
  readonly metadata: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly unschedulable?: boolean };
  readonly status: {
    readonly nodeInfo: { readonly osImage: string };
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
  };
}

/** A cluster of KubeOS nodes with the real controller, as an administrator of the openEuler API sees it. */
export class Farm {
  readonly cluster: Cluster;
  /** Serves images over plain http. */
  readonly server: ImageServer;
  readonly workers: readonly EmulatedNode[];
  readonly controlPlane: EmulatedNode | undefined;
  controller: ControllerProcess;

  readonly #rest: AsyncDisposableStack;

  private constructor(
    parts: Pick<Farm, 'cluster' | 'server' | 'workers' | 'controlPlane' | 'controller'>,
    rest: AsyncDisposableStack,
  ) {
    this.cluster = parts.cluster;
    this.server = parts.server;
    this.workers = parts.workers;
    this.controlPlane = parts.controlPlane;
    this.controller = parts.controller;
    this.#rest = rest;
  }

  /** Starts all of it, the nodes side by side; resolves when the controller may give plans to every node. */
  static async start(options: FarmOptions): Promise<Farm> {
    await using stack = new AsyncDisposableStack();
    const server = await startImageServer();
    stack.defer(() => server.close());
    const cluster = await startCluster({ name: 'kubeos' });
    stack.defer(() => cluster.stop());
    await cluster.installTwinslot();
    const controller = await startController(cluster);
    stack.defer(async () => void (await controller.stop()));
    const { controlPlane, workers } = await startNodes(cluster, options, stack);
    const managed = '--for=jsonpath={.metadata.labels.monok8s\\.io/managed}=true';
    await cluster.kubectl(['wait', managed, 'node', '--all', '--timeout=60s']);
    return new Farm({ cluster, server, controller, controlPlane, workers }, stack.move());
  }

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

  /** The systems that the nodes run, by the command of the document: node → system. */
  async systems(): Promise<Record<string, string>> {
    const columns = 'custom-columns=NAME:.metadata.name,OS:.status.nodeInfo.osImage';
    const { stdout } = await this.cluster.kubectl(['get', 'nodes', '-o', columns]);
    const [head, ...lines] = stdout
      .trimEnd()
      .split('\n')
      .map(line => line.split(/\s{2,}/));
    if (head?.join() !== 'NAME,OS') throw new Error(`not the columns that were asked for: ${stdout}`);
    return Object.fromEntries(lines);
  }

  /** Waits until the workers run a release and are back in service, and the control-plane node its own. */
  async untilAllRun(version: string, timeoutMs = 120_000): Promise<void> {
    const wanted: Record<string, string> = {
      ...(this.controlPlane && { [this.controlPlane.name]: nameOf(FIRST) }),
      ...Object.fromEntries(this.workers.map(({ name }) => [name, nameOf(version)])),
    };
    const order = (systems: object): string => JSON.stringify(Object.entries(systems).toSorted());
    await this.#until(async () => order(await this.systems()) === order(wanted), {
      what: `all workers run ${nameOf(version)}`,
      timeoutMs,
    });
  }

  async get<T>(...what: string[]): Promise<T> {
    const { stdout } = await this.cluster.kubectl(['get', ...what, '-o', 'json']);
    return JSON.parse(stdout);
  }

  os(name: string, namespace = 'default'): Promise<OS> {
    return this.get<OS>('os', name, '-n', namespace);
  }

  instance(node: string): Promise<OSInstance> {
    return this.get<OSInstance>('osinstance', node, '-n', 'default');
  }

  node(name: string): Promise<NodeObject> {
    return this.get<NodeObject>('node', name);
  }

  async progresses(): Promise<OSUpgradeProgress[]> {
    return (await this.get<{ items: OSUpgradeProgress[] }>('osupgradeprogresses')).items;
  }

  /** Waits until an `OS` fulfils a condition, and resolves to it as it is then. */
  async untilOS(name: string, what: string, check: (os: OS) => boolean, timeoutMs = 120_000): Promise<OS> {
    let last: OS | undefined;
    await this.#until(
      async () => {
        last = await this.os(name);
        return check(last);
      },
      { what: `${name}: ${what}`, timeoutMs },
    );
    return last ?? this.os(name);
  }

  /** Waits until a rollout has done all that it can, and its status tells of the spec as it is. */
  untilComplete(name: string, timeoutMs?: number): Promise<OS> {
    return this.untilOS(name, 'is complete', os => isSettled(os) && hasCondition(os, 'Complete'), timeoutMs);
  }

  /** Waits until the controller has gone through its work: nothing is written for a while any more. */
  async untilQuiet(quietMs = 1_500): Promise<void> {
    let [seen, sinceMs] = ['', performance.now()];
    await this.#until(
      async () => {
        const { stdout } = await this.cluster.kubectl([
          'get',
          'os,osupgradeprogresses,nodes',
          '-A',
          '-o',
          VERSIONS,
        ]);
        if (stdout !== seen) [seen, sinceMs] = [stdout, performance.now()];
        return performance.now() - sinceMs >= quietMs;
      },
      { what: 'nothing is written any more', timeoutMs: 30_000 },
    );
  }

  /** Waits like {@link eventually}; a wait in vain tells what the cluster looked like. */
  async #until(
    check: () => Promise<boolean>,
    { what, timeoutMs }: { what: string; timeoutMs: number },
  ): Promise<void> {
    await eventually(check, { timeoutMs, everyMs: 200, what }).catch(async error => {
      const { stdout: os } = await this.cluster.kubectl(['get', 'os', '-A', '-o', 'yaml']);
      const { stdout: progress } = await this.cluster.kubectl(['get', 'osupgradeprogresses', '-o', 'wide']);
      throw new Error(`${error.message}\n${JSON.stringify(await this.systems())}\n${os}\n${progress}`);
    });
  }
}

/** Nodes join at the same time. Those that came up end with the stack, also when another did not. */
async function startNodes(
  cluster: Cluster,
  { workers, controlPlane = true, worker = () => ({}) }: FarmOptions,
  stack: AsyncDisposableStack,
): Promise<Pick<Farm, 'controlPlane' | 'workers'>> {
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

/** The status tells of the spec as it is, not of the one before. */
export const isSettled = ({ metadata, status }: OS): boolean =>
  status?.observedGeneration === metadata.generation;

/** Whether a condition of an `OS` is true. */
export const hasCondition = ({ status }: OS, type: string): boolean =>
  status?.conditions?.some(condition => condition.type === type && condition.status === 'True') ?? false;

/** Starts a farm before the tests of a file and stops it after them. */
export function useFarm(options: FarmOptions): () => Farm {
  let farm: Farm | undefined;
  before(async function () {
    this.timeout(120_000);
    farm = await Farm.start(options);
  });
  after(async function () {
    this.timeout(60_000);
    await farm?.stop();
  });
  return () => {
    if (farm === undefined) throw new Error('the farm is not there before the tests run');
    return farm;
  };
}
