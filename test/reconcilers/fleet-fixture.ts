import { createLogger, transports } from 'winston';
import type { OSUpgrade, OSUpgradeProgress } from '../../src/api/monok8s/index.ts';
import { systemClock } from '../../src/domain/clock.ts';
import type { NodeFacts } from '../../src/domain/node.ts';
import { createKubeClient, type FullKubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/connection.ts';
import { createInformer } from '../../src/kube/informer.ts';
import { NODES, OSINSTANCES, OSUPGRADE_PROGRESSES, OSUPGRADES, PODS } from '../../src/kube/resources.ts';
import type { Cluster } from '../env/cluster.ts';
import { eventually } from '../env/wait.ts';
import { createFakeAgents, type FakeAgents, setVersion } from './fake-agents.ts';

/** A node to be made. */
export interface NodeToMake {
  readonly name: string;
  /** Version of the booted slot. Default `v1.34.1`; `null`: no agent. */
  readonly version?: string | null;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A fleet of nodes whose agents do at once what they are told. */
export interface Fleet {
  readonly client: FullKubeClient;
  readonly agents: FakeAgents;
  makeNodes(...nodes: readonly (NodeToMake | string)[]): Promise<void>;
  request(name: string, spec?: object): Promise<OSUpgrade>;
  patchRequest(name: string, spec: object): Promise<void>;
  getRequest(name: string): Promise<OSUpgrade>;
  getNode(name: string): Promise<NodeFacts>;
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
  const progresses = async (node?: string) =>
    (await client.list(OSUPGRADE_PROGRESSES, {})).filter(
      ({ spec }) => node === undefined || spec.nodeName === node,
    );
  const patience = (what: string) => ({ timeoutMs: 20_000, everyMs: 50, what });
  return {
    client,
    agents,
    makeNodes: async (...nodes) => {
      await Promise.all(
        nodes.map(node => makeNode(client, typeof node === 'string' ? { name: node } : node)),
      );
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
    getNode: name => one(client.get(NODES, { name }), name),
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
  { name, version = 'v1.34.1', labels = {} }: NodeToMake,
): Promise<void> {
  const node = await client.create(NODES, { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } });
  await setReady(client, name, true);
  if (version === null) return;
  await client.create(
    PODS,
    podBody({ name: `node-agent-${name}`, namespace: 'mono-system', nodeName: name, app: 'node-agent' }),
  );
  const owner = { apiVersion: 'v1', kind: 'Node', name, uid: node.uid };
  const metadata = { name, namespace: 'default', ownerReferences: [owner] };
  await client.create(OSINSTANCES, {
    apiVersion: 'upgrade.openeuler.org/v1alpha1',
    kind: 'OSInstance',
    metadata,
    spec: {},
  });
  await setVersion(client, name, version);
}

/** What the kubelet says. */
export async function setReady(client: FullKubeClient, node: string, isReady: boolean): Promise<void> {
  const condition = { type: 'Ready', status: isReady ? 'True' : 'False', reason: 'Test', message: '' };
  const nodeInfo = {
    bootID: `boot-of-${node}`,
    osImage: 'x',
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
}

export const podBody = ({
  name,
  nodeName,
  app,
  namespace = 'default',
  graceSeconds = 0,
  finalizers = [],
}: PodToMake) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, finalizers, labels: { app, 'app.kubernetes.io/name': app } },
  spec: {
    nodeName,
    terminationGracePeriodSeconds: graceSeconds,
    tolerations: [{ operator: 'Exists' }],
    containers: [{ name: 'c', image: 'x' }],
  },
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
