import { join } from 'node:path';
import { buildProductImage } from '../../tools/image/build-image.ts';
import { ROOT } from '../../tools/lib/paths.mjs';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { type ControllerProcess, startController } from '../env/controller-process.ts';
import { type ImageServer, startImageServer } from '../env/image-server.ts';
import { connectNodeApi, type NodeApi } from '../env/node/node-api.ts';
import { type Registry, startRegistry } from '../env/registry.ts';
import { type MachineNode, type MachineNodeOptions, startMachineNode } from './machine-node.ts';
import type { LoadedImage } from './tree/persist.ts';
import type { SystemFile } from './tree/system.ts';

/** Seconds that a trial boot has in these tests: a boot takes 50 to 100, depending on how busy this machine is. */
export const TRIAL_SECONDS = 150;

/** A system with this file is not healthy: the agents are told to look for it. */
export const UNHEALTHY_FILE = 'etc/unhealthy';
const HEALTH_COMMAND = ['chroot', '/host', '/usr/bin/test', '!', '-e', `/${UNHEALTHY_FILE}`];

/**
 * V8 without its compilers: an emulator has to translate every function that they make anew, which takes longer than what
 * the agent saves by it. Its start and its share of an upgrade take half as long so.
 */
const COMMAND = ['node', '--no-opt', '--no-maglev', '--no-sparkplug', '/usr/bin/ctl', 'agent'];

/** A cluster whose nodes are emulated machines with the product's container image. */
export interface World {
  readonly cluster: Cluster;
  /** The API, as an administrator. */
  readonly api: NodeApi;
  /** Runs on this host, unless the world was started without. */
  readonly controller: ControllerProcess | undefined;
  readonly server: ImageServer;
  readonly registry: Registry;
  /** Address of a file of the image server as the machines reach it. */
  url(path: string): string;
  /** Makes the compressed form of a system available, for `RequestOptions.file`. */
  serve(file: SystemFile): { readonly path: string; readonly checksum: string };
  /** Host of the registry as the machines reach it; they have to be told that it speaks plain http. */
  readonly registryHost: string;
  /** In the order in which they were added; some may be off. */
  readonly nodes: readonly MachineNode[];
  addNode(options: Omit<MachineNodeOptions, 'images'>): Promise<MachineNode>;
  stop(): Promise<void>;
}

/** What a world consists of. */
export interface WorldOptions {
  /** Default true: our controller runs on this host, beside the control plane. */
  readonly hasController?: boolean;
  /** Default `TRIAL_SECONDS`. More of them where no trial is to fail, as this machine may be busy. */
  readonly trialSeconds?: number;
}

/** Starts the control plane, our controller beside it, and the DaemonSet; nodes are added afterwards. Needs root. */
export async function startWorld(name: string, options: WorldOptions = {}): Promise<World> {
  const { hasController = true, trialSeconds = TRIAL_SECONDS } = options;
  const product = await buildProductImage();
  const images: LoadedImage[] = [{ path: product.path, digest: product.digest }];
  const cluster = await startCluster({ name, hasKubelets: true, nodeMonitorGraceSeconds: 40 });
  const api = await connectNodeApi(cluster.adminKubeconfig);
  const [server, registry] = [await startImageServer(), await startRegistry()];
  const nodes: MachineNode[] = [];
  let served = 0;
  await cluster.installTwinslot();
  await cluster.kubectl(['apply', '-k', join(ROOT, 'config/agent')]);
  const command = [{ op: 'replace', path: '/spec/template/spec/containers/0/command', value: COMMAND }];
  await cluster.kubectl([
    ...['patch', 'daemonset', 'node-agent', '--namespace=mono-system', '--type=json'],
    `--patch=${JSON.stringify(command)}`,
  ]);
  await cluster.kubectl([
    ...['create', 'configmap', 'node-agent-config', '--namespace=mono-system'],
    `--from-literal=agent.yaml=${JSON.stringify({ trialSeconds, stallSeconds: 60, healthCommand: HEALTH_COMMAND })}`,
  ]);
  const controller = hasController ? await startController(cluster) : undefined;
  const toMachines = (address: string): string => address.replace('127.0.0.1', '10.0.2.2');
  return {
    ...{ cluster, api, controller, server, registry, nodes },
    registryHost: toMachines(registry.host),
    url: path => `${toMachines(server.url)}${path}`,
    serve: file => {
      // Cases that run side by side slow down and count what is theirs.
      const path = `/${++served}/${file.zstChecksum.slice(7, 19)}.zst`;
      server.serve(path, file.zstPath);
      return { path, checksum: file.zstChecksum };
    },
    addNode: async options => {
      const node = await startMachineNode({ cluster, api }, { ...options, images });
      nodes.push(node);
      return node;
    },
    stop: async () => {
      await Promise.all(nodes.map(node => node.stop()));
      await controller?.stop();
      await Promise.all([server.close(), registry.stop(), api.close()]);
      await cluster.stop();
    },
  };
}
