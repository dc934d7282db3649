import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from '../env/cluster.ts';
import type { NodeApi } from '../env/node/node-api.ts';
import { runProgram } from '../env/node/run-program.ts';
import { eventually } from '../env/wait.ts';
import type { DiskLayout } from './disk/layout.ts';
import { writePersistFile } from './disk/offline.ts';
import { makeNodeDisk, type NodeDiskOptions } from './node-disk.ts';
import type { Hardware } from './qemu/command-line.ts';
import { tailOf } from './qemu/console.ts';
import { type Machine, startMachine } from './qemu/machine.ts';

const READY_MS = 300_000;

/** How a node is made. */
export interface MachineNodeOptions extends NodeDiskOptions {
  readonly name: string;
  readonly hardware?: Partial<Hardware>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** What the API server knows of a Node. */
export interface NodeView {
  readonly bootId: string;
  readonly osImage: string;
  readonly isReady: boolean;
  readonly isCordoned: boolean;
}

/** An emulated machine that is a node of a cluster. */
export interface MachineNode {
  readonly name: string;
  readonly disk: DiskLayout;
  readonly machine: Machine;
  view(): Promise<NodeView>;
  /**
   * Waits until the kubelet of a boot other than `bootId` has made the node Ready. A Node stays Ready through a quick
   * reboot, hence the boot id.
   */
  untilReady(options?: { readonly notBootId?: string; readonly timeoutMs?: number }): Promise<NodeView>;
  /** Waits until the pod of the DaemonSet is Ready on it. */
  untilAgentRuns(timeoutMs?: number): Promise<void>;
  /** Switches it off for good and takes its address off this host. */
  stop(): Promise<void>;
}

/** Installs a node on a disk of its own and switches it on. Needs root. */
export async function startMachineNode(
  { cluster, api }: { readonly cluster: Cluster; readonly api: NodeApi },
  options: MachineNodeOptions,
): Promise<MachineNode> {
  const { name } = options;
  const dir = join(cluster.dir, name);
  await mkdir(dir, { recursive: true });
  const disk = await makeNodeDisk(options, join(dir, 'disk.raw'));
  const address = await takeAddress();
  await introduce(cluster, disk, { name, address, labels: options.labels ?? {} });
  const machine = await startMachine(name, {
    ...{ dir, firmware: options.firmware, diskPath: disk.path, kubeletAddress: address },
    ...options.hardware,
  });
  const view = async (): Promise<NodeView> =>
    viewOf(await api.call<NodeObject>('GET', `/api/v1/nodes/${name}`));
  return {
    ...{ name, disk, machine, view },
    untilAgentRuns: async (timeoutMs = READY_MS) => {
      await eventually(() => isAgentRunning(api, name), {
        timeoutMs,
        everyMs: 500,
        what: `the agent runs on ${name}`,
      });
    },
    untilReady: ({ notBootId, timeoutMs = READY_MS } = {}) =>
      eventually(
        async () => {
          const seen = await view();
          return seen.isReady && seen.bootId !== notBootId && seen;
        },
        { timeoutMs, everyMs: 500, what: `${name} is Ready` },
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\nits console ends with:\n${tailOf(machine.console.text)}`);
      }),
    stop: async () => {
      await machine.stop();
      // A second call finds nothing.
      await runProgram('ip', 'address', 'delete', `${address}/32`, 'dev', 'lo').catch(() => undefined);
    },
  };
}

/** A Node object, as far as it is read here. */
interface NodeObject {
  readonly spec: { readonly unschedulable?: boolean };
  readonly status: {
    readonly nodeInfo: { readonly bootID: string; readonly osImage: string };
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

interface PodList {
  readonly items: readonly {
    readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
  }[];
}

async function isAgentRunning(api: NodeApi, nodeName: string): Promise<boolean> {
  const path = `/api/v1/namespaces/mono-system/pods?fieldSelector=spec.nodeName%3D${nodeName}`;
  const { items } = await api.call<PodList>('GET', path);
  const isReady = (pod: PodList['items'][number]): boolean | undefined =>
    pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
  return items.some(isReady);
}

const viewOf = ({ spec, status }: NodeObject): NodeView => ({
  bootId: status.nodeInfo.bootID,
  osImage: status.nodeInfo.osImage,
  isReady: status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
  isCordoned: spec.unschedulable ?? false,
});

/** An address on this host's loopback interface that no other machine has: there the API server finds the kubelet. */
async function takeAddress(): Promise<string> {
  const part = (): number => 1 + Math.floor(Math.random() * 253);
  return eventually(
    async () => {
      const address = `10.77.${part()}.${part()}`;
      await runProgram('ip', 'address', 'add', `${address}/32`, 'dev', 'lo');
      // Else connections to it come from itself, and the guest, which has the same address, answers to itself.
      const route = ['local', address, 'dev', 'lo', 'table', 'local', 'src', '127.0.0.1'];
      await runProgram('ip', 'route', 'replace', ...route);
      return address;
    },
    { timeoutMs: 10_000, what: 'there is a free address (root is needed to add one)' },
  );
}

interface Identity {
  readonly name: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Tells a machine that is off who it is and where its cluster is. */
async function introduce(
  cluster: Cluster,
  disk: DiskLayout,
  { name, address, labels }: Identity,
): Promise<void> {
  const { host } = new URL(cluster.serverUrl);
  const server = host.replace('127.0.0.1', '10.0.2.2');
  const kubeconfig = await readFile(await cluster.kubeletKubeconfig(name), 'utf8');
  // A kubelet may give its own Node labels of ours when it registers, and none of kubernetes.io.
  const labelList = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const environment = [
    ...[
      ['NODE_NAME', name],
      ['NODE_IP', address],
      ['API_SERVER', server],
    ],
    ['NODE_LABELS', labelList.join(',')],
  ];
  const files = {
    'node.env': environment.map(([key, value]) => `${key}=${value}\n`).join(''),
    'kubelet.conf': kubeconfig.replace(host, server),
    'ca.crt': await readFile(cluster.caFile, 'utf8'),
  };
  for (const [file, content] of Object.entries(files))
    await writePersistFile(disk, `/etc/kubernetes/${file}`, content);
}
