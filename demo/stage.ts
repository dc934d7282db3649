import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Cluster, startCluster } from '../test/env/cluster.ts';
import { type ControllerProcess, startController } from '../test/env/controller-process.ts';
import { type ImageServer, startImageServer } from '../test/env/image-server.ts';
import { buildImage, type Image } from '../test/env/images.ts';
import type { EmulatedNode } from '../test/env/node/emulated-node.ts';
import { startNode } from '../test/env/node/start-node.ts';
import { ROOT } from '../tools/lib/paths.mjs';

/** Version that the nodes start with, and the two that they are upgraded to. */
export const VERSIONS = { first: 'v1.34.1', second: 'v1.35.1', third: 'v1.35.2' } as const;

const IMAGE = { sizeMiB: 288, fillMiB: 160 };
const SLOT_MIB = 320;
/** Slow enough for an eye to follow the bars. */
const BYTES_PER_SECOND = 60 * 2 ** 20;

/** Everything that the demo plays with. */
export interface Stage {
  readonly cluster: Cluster;
  readonly server: ImageServer;
  readonly nodes: readonly EmulatedNode[];
  readonly images: { readonly second: Image; readonly third: Image };
}

/** Builds the two images, a file system each. */
export const buildImages = async (): Promise<Stage['images']> => ({
  second: await buildImage({ version: VERSIONS.second, ...IMAGE }),
  third: await buildImage({ version: VERSIONS.third, ...IMAGE }),
});

/** Starts a control plane; it ends with the demo. */
export async function raiseControlPlane(stack: AsyncDisposableStack): Promise<Cluster> {
  const cluster = await startCluster({ name: 'demo' });
  stack.defer(() => cluster.stop());
  return cluster;
}

/** Serves both images. The last one is damaged on its way, as by a bad disk, until it is repaired. */
export async function serveImages(
  stack: AsyncDisposableStack,
  images: Stage['images'],
): Promise<ImageServer> {
  const server = await startImageServer({
    files: { [pathOf(images.second)]: images.second.zstPath, [pathOf(images.third)]: images.third.zstPath },
  });
  stack.defer(() => server.close());
  const slow = { kind: 'slow', bytesPerSecond: BYTES_PER_SECOND } as const;
  server.setFaults(pathOf(images.second), slow);
  server.setFaults(pathOf(images.third), slow, { kind: 'wrongByte', atBytes: 5_000_000 });
  return server;
}

/** The file on the server is whole again. */
export const repairImage = (server: ImageServer, image: Image): void =>
  server.setFaults(pathOf(image), { kind: 'slow', bytesPerSecond: BYTES_PER_SECOND });

const pathOf = (image: Image): string => `/${image.version}/rootfs.ext4.zst`;

/** Runs our own command as an administrator. Resolves to what it prints. */
export async function ctl({ adminKubeconfig }: Cluster, ...args: string[]): Promise<string> {
  const env = { ...process.env, KUBECONFIG: adminKubeconfig };
  return (await promisify(execFile)(process.execPath, [join(ROOT, 'src/ctl.ts'), ...args], { env })).stdout;
}

/** Runs `ctl create PART | kubectl apply -f -`. Resolves to what kubectl says. */
export async function install(cluster: Cluster, part: string): Promise<string> {
  const manifests = await ctl(cluster, 'create', part);
  return (await cluster.kubectl(['apply', '-f', '-'], { stdin: manifests })).stdout;
}

/** Three machines join, one of them of the control plane. Their agents come with the DaemonSet's pods. */
export async function startNodes(stack: AsyncDisposableStack, cluster: Cluster): Promise<EmulatedNode[]> {
  const common = { version: VERSIONS.first, slotMiB: SLOT_MIB, agent: 'pod' } as const;
  const nodes = await Promise.all([
    startNode(cluster, { ...common, name: 'cp-1', controlPlane: true }),
    startNode(cluster, { ...common, name: 'node-1' }),
    startNode(cluster, { ...common, name: 'node-2' }),
  ]);
  for (const node of nodes) stack.defer(() => node.stop());
  return nodes;
}

/** The controller runs beside the nodes, with its own ServiceAccount's rights. */
export async function startDemoController(
  stack: AsyncDisposableStack,
  cluster: Cluster,
): Promise<ControllerProcess> {
  const controller = await startController(cluster);
  stack.defer(async () => void (await controller.stop()));
  return controller;
}

/** The request that the demo applies, as a file that can be looked at. */
export async function writeUpgrade(
  { cluster, server }: Pick<Stage, 'cluster' | 'server'>,
  name: string,
  image: Image,
): Promise<{ path: string; text: string }> {
  const text = `apiVersion: monok8s.io/v1alpha1
kind: OSUpgrade
metadata:
  name: ${name}
spec:
  version: ${image.version}
  nodeSelector: {}
  catalog:
    inline: |
      stable: ${image.version}
      images:
        - version: ${image.version}
          url: ${server.url}${pathOf(image)}
          checksum: ${image.checksum}
          size: ${image.sizeBytes}
`;
  const path = join(cluster.dir, `${name}.yaml`);
  await writeFile(path, text);
  return { path, text };
}

/** A workload with a disruption budget, so that there is something to drain. */
export const readWorkload = (): Promise<string> =>
  readFile(join(import.meta.dirname, 'workload.yaml'), 'utf8');
