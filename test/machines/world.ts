import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildProductImage } from '../../tools/image/build-image.ts';
import { ROOT } from '../../tools/lib/paths.mjs';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { type ControllerProcess, startController } from '../env/controller-process.ts';
import { type ImageServer, startImageServer } from '../env/image-server.ts';
import { type MachineNode, type MachineNodeOptions, startMachineNode } from './machine-node.ts';
import type { LoadedImage } from './tree/persist.ts';

/** A cluster whose nodes are emulated machines with the product's container image. */
export interface World {
  readonly cluster: Cluster;
  readonly controller: ControllerProcess;
  readonly server: ImageServer;
  /** Address of a file of the image server as the machines reach it. */
  url(path: string): string;
  addNode(options: Omit<MachineNodeOptions, 'images'>): Promise<MachineNode>;
  stop(): Promise<void>;
}

/** Starts the control plane, our controller beside it, and the DaemonSet; nodes are added afterwards. Needs root. */
export async function startWorld(name: string): Promise<World> {
  const product = await buildProductImage();
  const images: LoadedImage[] = [{ path: product.path, digest: product.digest }];
  const cluster = await startCluster({ name, hasKubelets: true });
  const server = await startImageServer();
  const nodes: MachineNode[] = [];
  await cluster.installTwinslot();
  await cluster.kubectl(['apply', '-f', '-'], {
    stdin: await readFile(join(ROOT, 'config/agent/daemonset.yaml'), 'utf8'),
  });
  const controller = await startController(cluster);
  return {
    ...{ cluster, controller, server },
    url: path => `${server.url.replace('127.0.0.1', '10.0.2.2')}${path}`,
    addNode: async options => {
      const node = await startMachineNode(cluster, { ...options, images });
      nodes.push(node);
      return node;
    },
    stop: async () => {
      await Promise.all(nodes.map(node => node.stop()));
      await controller.stop();
      await server.close();
      await cluster.stop();
    },
  };
}
