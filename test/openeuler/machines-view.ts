import type { OSUpgradeProgress } from '../../src/api/monok8s/index.ts';
import type { OS, OSInstance } from '../../src/api/openeuler/index.ts';
import type { Cluster } from '../env/cluster.ts';
import { connectNodeApi, type NodeApi } from '../env/node/node-api.ts';
import { eventually } from '../env/wait.ts';

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

interface List<T> {
  readonly items: T[];
}

const INSTANCES = '/apis/upgrade.openeuler.org/v1alpha1/namespaces/default/osinstances';
const REQUESTS = '/apis/upgrade.openeuler.org/v1alpha1/namespaces/default/os';
const PROGRESSES = '/apis/monok8s.io/v1alpha1/osupgradeprogresses';
const NODES = '/api/v1/nodes';

/** Reads the cluster as its administrator. What is looked at again and again does not start a kubectl each time. */
export class MachinesView {
  readonly api: NodeApi;
  /** More to tell of a wait in vain. */
  explain: () => string = () => '';
  readonly #cluster: Cluster;

  private constructor(cluster: Cluster, api: NodeApi) {
    this.#cluster = cluster;
    this.api = api;
  }

  static async connect(cluster: Cluster): Promise<MachinesView> {
    return new MachinesView(cluster, await connectNodeApi(cluster.adminKubeconfig));
  }

  /** The systems that the nodes run, by the command of the document: node → system. */
  async systems(): Promise<Record<string, string>> {
    const columns = 'custom-columns=NAME:.metadata.name,OS:.status.nodeInfo.osImage';
    const { stdout } = await this.#cluster.kubectl(['get', 'nodes', '-o', columns]);
    const [head, ...lines] = stdout
      .trimEnd()
      .split('\n')
      .map(line => line.split(/\s{2,}/));
    if (head?.join() !== 'NAME,OS') throw new Error(`not the columns that were asked for: ${stdout}`);
    return Object.fromEntries(lines);
  }

  os(name: string): Promise<OS> {
    return this.api.call<OS>('GET', `${REQUESTS}/${name}`);
  }

  instance(node: string): Promise<OSInstance> {
    return this.api.call<OSInstance>('GET', `${INSTANCES}/${node}`);
  }

  node(name: string): Promise<NodeObject> {
    return this.api.call<NodeObject>('GET', `${NODES}/${name}`);
  }

  async nodes(): Promise<NodeObject[]> {
    return (await this.api.call<List<NodeObject>>('GET', NODES)).items;
  }

  async progresses(): Promise<OSUpgradeProgress[]> {
    return (await this.api.call<List<OSUpgradeProgress>>('GET', PROGRESSES)).items;
  }

  /** Waits until an `OS` fulfils a condition, and resolves to it as it is then. */
  async untilOS(name: string, what: string, check: (os: OS) => boolean): Promise<OS> {
    let last: OS | undefined;
    await this.until(`${name}: ${what}`, async () => {
      last = await this.os(name);
      return check(last);
    });
    return last ?? this.os(name);
  }

  /** Waits until a rollout has done all that it can, and its status tells of the spec as it is. */
  untilComplete(name: string): Promise<OS> {
    return this.untilOS(name, 'is complete', os => isSettled(os) && hasCondition(os, 'Complete'));
  }

  /** Waits until the controller has gone through its work: nothing is written for a while any more. */
  async untilQuiet(quietMs = 1_500): Promise<void> {
    let [seen, sinceMs] = ['', performance.now()];
    await this.until('nothing is written any more', async () => {
      const objects = [await this.progresses(), (await this.nodes()).map(withoutHeartbeat)];
      const { items } = await this.api.call<List<OS>>('GET', REQUESTS);
      const now = JSON.stringify([...objects, items]);
      if (now !== seen) [seen, sinceMs] = [now, performance.now()];
      return performance.now() - sinceMs >= quietMs;
    });
  }

  /** Waits like {@link eventually}; a wait in vain tells what the cluster looked like. */
  async until(what: string, check: () => Promise<boolean>): Promise<void> {
    await eventually(check, { timeoutMs: 120_000, everyMs: 100, what }).catch(async error => {
      const look = async (...args: string[]): Promise<string> => (await this.#cluster.kubectl(args)).stdout;
      const seen = [
        await look('get', 'nodes', '-o', NODE_COLUMNS),
        await look('get', 'osinstances', '-o', INSTANCE_COLUMNS),
        await look('get', 'os', '-A', '-o', 'yaml'),
        await look('get', 'osupgradeprogresses', '-o', 'wide'),
      ];
      throw new Error([error.message, ...seen, this.explain()].join('\n'), { cause: error });
    });
  }
}

const NODE_COLUMNS =
  'custom-columns=NAME:.metadata.name,OS:.status.nodeInfo.osImage,OFF:.spec.unschedulable,CONDITIONS:.status.conditions[*].status,BOOT:.status.nodeInfo.bootID,LABELS:.metadata.labels,ANNOTATIONS:.metadata.annotations';
const INSTANCE_COLUMNS = 'custom-columns=NAME:.metadata.name,SPEC:.spec,STATUS:.status';

// Heartbeats come all the time.
const withoutHeartbeat = ({ metadata: { name, labels, annotations }, spec }: NodeObject): object => ({
  ...{ name, labels, annotations, spec },
});

/** The status tells of the spec as it is, not of the one before. */
export const isSettled = ({ metadata, status }: OS): boolean =>
  status?.observedGeneration === metadata.generation;

/** Whether a condition of an `OS` is true. */
export const hasCondition = ({ status }: OS, type: string): boolean =>
  status?.conditions?.some(condition => condition.type === type && condition.status === 'True') ?? false;
