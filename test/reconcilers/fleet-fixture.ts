import { createLogger, transports } from 'winston';
import type { OSUpgrade, OSUpgradeProgress } from '../../src/api/monok8s/index.ts';
import type { OS, OSInstance } from '../../src/api/openeuler/index.ts';
import { systemClock } from '../../src/domain/clock.ts';
import type { NodeFacts } from '../../src/domain/node.ts';
import { createKubeClient, type FullKubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/connection.ts';
import { createInformer } from '../../src/kube/informer.ts';
import {
  NODES,
  OSES,
  OSINSTANCES,
  OSUPGRADE_PROGRESSES,
  OSUPGRADES,
  PODS,
} from '../../src/kube/resources.ts';
import type { Cluster } from '../env/cluster.ts';
import { eventually } from '../env/wait.ts';
import { createFakeAgents, type FakeAgents, setSlots } from './fake-agents.ts';

/** A node to be made. */
export interface NodeToMake {
  readonly name: string;
  /** Version of the booted slot. Default `v1.34.1`; `null`: no agent. */
  readonly version?: string | null;
  /** PRETTY_NAME of the booted slot. Default `x`. */
  readonly osImage?: string;
  /** PRETTY_NAME of the other slot. Default: it holds nothing. */
  readonly otherOsImage?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A fleet of nodes whose agents do at once what they are told. */
export interface Fleet {
  readonly client: FullKubeClient;
  readonly agents: FakeAgents;
  makeNodes(...nodes: readonly (NodeToMake | string)[]): Promise<void>;
  /**
   * Makes nodes, and waits until the controller, which has to run, manages them all: a request that is made then finds
   * them together, so that their order counts.
   */
  makeManagedNodes(...nodes: readonly (NodeToMake | string)[]): Promise<void>;
  request(name: string, spec?: object): Promise<OSUpgrade>;
  patchRequest(name: string, spec: object): Promise<void>;
  getRequest(name: string): Promise<OSUpgrade>;
  /** Makes an `OS` for `KubeOS 1.0.1` on all workers. */
  os(name: string, spec?: object, namespace?: string): Promise<OS>;
  patchOS(name: string, spec: object, namespace?: string): Promise<void>;
  getOS(name: string, namespace?: string): Promise<OS>;
  /** Waits until the OS is as `check` wants it. */
  untilOS(name: string, what: string, check: (os: OS) => boolean, namespace?: string): Promise<OS>;
  getNode(name: string): Promise<NodeFacts>;
  getInstance(name: string): Promise<OSInstance>;
  /** Of one node, oldest first; of all nodes if none is named. */
  progresses(node?: string): Promise<OSUpgradeProgress[]>;
  /** Waits until the request is as `check` wants it. */
  untilRequest(name: string, what: string, check: (request: OSUpgrade) => boolean): Promise<OSUpgrade>;
  untilProgress(
    node: string,
    what: string,
    check: (progress: OSUpgradeProgress) => boolean,
  ): Promise<OSUpgradeProgress>;
  /** Removes requests, objects, pods and nodes. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export const CHECKSUM = `sha256:${'0123456789abcdef'.repeat(4)}`;

/** What upstream's sample asks for, the shortest way. */
const OS_SPEC = {
  osversion: 'KubeOS 1.0.1',
  opstype: 'upgrade',
  imagetype: 'disk',
  imageurl: 'https://example.invalid/os.tar',
  checksum: CHECKSUM.slice('sha256:'.length),
  maxunavailable: 1,
  timeinterval: 0,
};

/** A catalog that has these versions. */
export const catalogOf = (...versions: string[]): string =>
  `stable: ${versions[0]}\nimages:\n${versions
    .map(
      version =>
        `  - version: ${version}\n    url: https://example.invalid/${version}.zst\n    checksum: ${CHECKSUM}\n`,
    )
    .join('')}`;

const quiet = createLogger({ silent: true, transports: [new transports.Console()] });

/** Connects to a cluster as its administrator, and plays the agents of all nodes that are made. */
export async function startFleet(cluster: Cluster): Promise<Fleet> {
  const connection = await loadConnection({ kubeconfig: cluster.adminKubeconfig });
  const client = createKubeClient(connection, { log: quiet, userAgent: 'test' });
  const life = new AbortController();
  const agents = createFakeAgents(client);
  const informer = createInformer({
    client,
    resource: OSUPGRADE_PROGRESSES,
    log: quiet,
    clock: systemClock,
    random: Math.random,
    onChange: ({ after }) => after !== undefined && agents.see(after),
  });
  await informer.start(life.signal);
  const one = async <T>(found: Promise<T | undefined>, name: string): Promise<T> => {
    const object = await found;
    if (object === undefined) throw new Error(`there is no ${name}`);
    return object;
  };
  const getRequest = (name: string) => one(client.get(OSUPGRADES, { name }), name);
  const getOS = (name: string, namespace = 'default') => one(client.get(OSES, { name, namespace }), name);
  const progresses = async (node?: string) =>
    (await client.list(OSUPGRADE_PROGRESSES, {})).filter(
      ({ spec }) => node === undefined || spec.nodeName === node,
    );
  const patience = (what: string) => ({ timeoutMs: 20_000, everyMs: 50, what });
  const makeNodes: Fleet['makeNodes'] = async (...nodes) => {
    await Promise.all(nodes.map(node => makeNode(client, typeof node === 'string' ? { name: node } : node)));
  };
  const getNode: Fleet['getNode'] = name => one(client.get(NODES, { name }), name);
  return {
    client,
    agents,
    makeNodes,
    makeManagedNodes: async (...nodes) => {
      await makeNodes(...nodes);
      for (const node of nodes) {
        const name = typeof node === 'string' ? node : node.name;
        await eventually(async () => (await getNode(name)).labels['monok8s.io/managed'], {
          timeoutMs: 20_000,
          what: `the controller manages ${name}`,
        });
      }
    },
    request: (name, spec = {}) =>
      client.create(OSUPGRADES, {
        apiVersion: 'monok8s.io/v1alpha1',
        kind: 'OSUpgrade',
        metadata: { name },
        spec: { version: 'v1.35.1', catalog: { inline: catalogOf('v1.35.1') }, ...spec },
      }),
    patchRequest: async (name, spec) => {
      await client.patch(OSUPGRADES, { name }, { type: 'merge', body: { spec } });
    },
    getRequest,
    os: (name, spec = {}, namespace = 'default') =>
      client.create(OSES, {
        apiVersion: 'upgrade.openeuler.org/v1alpha1',
        kind: 'OS',
        metadata: { name, namespace },
        spec: { ...OS_SPEC, ...spec },
      }),
    patchOS: async (name, spec, namespace = 'default') => {
      await client.patch(OSES, { name, namespace }, { type: 'merge', body: { spec } });
    },
    getOS,
    untilOS: (name, what, check, namespace = 'default') =>
      eventually(
        async () => {
          const os = await getOS(name, namespace);
          return check(os) && os;
        },
        patience(`OS ${name} ${what}`),
      ),
    getInstance: name => one(client.get(OSINSTANCES, { name, namespace: 'default' }), name),
    getNode,
    progresses,
    untilRequest: (name, what, check) =>
      eventually(
        async () => {
          const request = await getRequest(name);
          return check(request) && request;
        },
        patience(`${name} ${what}`),
      ),
    untilProgress: (node, what, check) =>
      eventually(async () => (await progresses(node)).find(check), patience(`the object of ${node} ${what}`)),
    clear: () => clear(client, agents),
    close: async () => {
      life.abort();
      await client.close();
    },
  };
}

async function makeNode(
  client: FullKubeClient,
  { name, version = 'v1.34.1', osImage = 'x', otherOsImage = '', labels = {} }: NodeToMake,
): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } };
  // A test may have made it, with what upstream left there.
  const node = (await client.get(NODES, { name })) ?? (await client.create(NODES, body));
  await setReady(client, name, true, osImage);
  if (version === null) return;
  await client.create(
    PODS,
    podBody({ name: `node-agent-${name}`, namespace: 'mono-system', nodeName: name, app: 'node-agent' }),
  );
  const owner = { apiVersion: 'v1', kind: 'Node', name, uid: node.uid };
  const metadata = {
    name,
    namespace: 'default',
    labels: { 'upgrade.openeuler.org/osinstance-node': name },
    ownerReferences: [owner],
  };
  if ((await client.get(OSINSTANCES, metadata)) === undefined)
    await client.create(OSINSTANCES, {
      apiVersion: 'upgrade.openeuler.org/v1alpha1',
      kind: 'OSInstance',
      metadata,
      spec: { nodestatus: 'idle' },
    });
  await setSlots(client, name, { version, prettyName: osImage }, otherOsImage);
}

/** What the kubelet says. What it runs stays as it was if `osImage` is not given. */
export async function setReady(
  client: FullKubeClient,
  node: string,
  isReady: boolean,
  osImage?: string,
): Promise<void> {
  const condition = { type: 'Ready', status: isReady ? 'True' : 'False', reason: 'Test', message: '' };
  const nodeInfo = {
    bootID: `boot-of-${node}`,
    ...(osImage !== undefined && { osImage }),
    architecture: 'amd64',
    containerRuntimeVersion: 'x',
    kernelVersion: 'x',
    kubeProxyVersion: '',
    kubeletVersion: 'v1.36.3',
    machineID: 'x',
    operatingSystem: 'linux',
    systemUUID: 'x',
  };
  const body = { status: { conditions: [condition], nodeInfo } };
  await client.patchStatus(NODES, { name: node }, { type: 'merge', body });
}

interface PodToMake {
  readonly name: string;
  readonly nodeName: string;
  readonly app: string;
  readonly namespace?: string;
  readonly graceSeconds?: number;
  readonly finalizers?: readonly string[];
  /** Kind of the controller that made it. Default: none did. */
  readonly ownerKind?: 'ReplicaSet' | 'DaemonSet';
  readonly hasEmptyDir?: boolean;
}

export const podBody = ({
  name,
  nodeName,
  app,
  namespace = 'default',
  graceSeconds = 0,
  finalizers = [],
  ownerKind,
  hasEmptyDir = false,
}: PodToMake) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace,
    finalizers,
    labels: { app, 'app.kubernetes.io/name': app },
    ...(ownerKind && { ownerReferences: [ownerOf(ownerKind)] }),
  },
  spec: {
    nodeName,
    ...(hasEmptyDir && { volumes: [{ name: 'data', emptyDir: {} }] }),
    terminationGracePeriodSeconds: graceSeconds,
    tolerations: [{ operator: 'Exists' }],
    containers: [{ name: 'c', image: 'x' }],
  },
});

/** A kind that no garbage collector knows, so that it does not look for the owner. */
const ownerOf = (kind: string) => ({
  apiVersion: 'example.com/v1',
  kind,
  name: 'owner',
  uid: 'd5a3bb2e-0000-4000-8000-000000000000',
  controller: true,
});

/** Makes a pod that runs and is Ready. */
export async function runPod(client: FullKubeClient, pod: PodToMake): Promise<void> {
  await client.create(PODS, podBody(pod));
  const body = {
    status: {
      phase: 'Running',
      conditions: ['Ready', 'ContainersReady', 'PodScheduled', 'Initialized'].map(type => ({
        type,
        status: 'True',
      })),
    },
  };
  const ref = { name: pod.name, namespace: pod.namespace ?? 'default' };
  await client.patchStatus(PODS, ref, { type: 'merge', body });
}

async function clear(client: FullKubeClient, agents: FakeAgents): Promise<void> {
  for (const { metadata } of await client.list(OSUPGRADES, {})) await client.delete(OSUPGRADES, metadata);
  for (const { metadata } of await client.list(OSES, {})) await client.delete(OSES, metadata);
  for (const { metadata } of await client.list(OSUPGRADE_PROGRESSES, {}))
    await client.delete(OSUPGRADE_PROGRESSES, metadata);
  for (const { name } of await client.list(NODES, {})) await client.delete(NODES, { name });
  for (const { metadata } of await client.list(OSINSTANCES, {})) await client.delete(OSINSTANCES, metadata);
  for (const pod of await client.list(PODS, {})) {
    const ref = { name: pod.name, namespace: pod.namespace };
    await client
      .patch(PODS, ref, { type: 'merge', body: { metadata: { finalizers: [] } } })
      .catch(() => undefined);
    await client.delete(PODS, ref);
  }
  agents.reset();
}
