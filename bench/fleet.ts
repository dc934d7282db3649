import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { prepareAudit } from '../test/env/audit.ts';
import { type Cluster, startCluster } from '../test/env/cluster.ts';
import { makeTempDir, removeTempDir } from '../test/env/cluster-temp-dir.ts';
import { type ControllerProcess, startController } from '../test/env/controller-process.ts';
import { buildImage, type Image } from '../test/env/images.ts';
import type { EmulatedNode } from '../test/env/node/emulated-node.ts';
import { startNode } from '../test/env/node/start-node.ts';
import { serve } from './image-host.ts';
import { memoryOf } from './measure.ts';
import { say } from './table.ts';

const IMAGE = { version: 'v1.35.1', sizeMiB: 512, fillMiB: 205 };
const OLD_VERSION = 'v1.34.1';
const NODES = ['node-1', 'node-2', 'node-3'];
const ROLLOUT_TIMEOUT_MS = 300_000;

/** A real control plane with the controller and a few emulated nodes, each with its agent. */
export interface Fleet {
  readonly cluster: Cluster;
  readonly controller: ControllerProcess;
  readonly nodes: readonly EmulatedNode[];
  /** The API server's account of what our programs ask of it. */
  readonly auditFile: string;
  readonly image: Image;
  readonly imageUrl: string;
}

/** Starts everything; it ends with `stack`. */
export async function startFleet(stack: AsyncDisposableStack): Promise<Fleet> {
  say('images');
  const image = await buildImage(IMAGE);
  const imageUrl = await serve(stack, image.zstPath);
  say('starting a control plane, a controller and three nodes');
  const dir = makeTempDir('bench-audit');
  stack.defer(() => removeTempDir(dir));
  const { flags, file: auditFile } = await prepareAudit(dir);
  const cluster = await startCluster({ name: 'bench', apiServerFlags: flags });
  stack.defer(() => cluster.stop());
  await cluster.installTwinslot();
  const controller = await startController(cluster, ['--lease-seconds=15']);
  stack.defer(async () => void (await controller.stop()));
  const nodes: EmulatedNode[] = [];
  for (const name of NODES) {
    const node = await startNode(cluster, { name, version: OLD_VERSION, slotMiB: IMAGE.sizeMiB });
    stack.defer(() => node.stop());
    nodes.push(node);
  }
  const managed = ['get', 'nodes', '-l', 'monok8s.io/managed=true', '-o', 'name'];
  while ((await cluster.kubectl(managed)).stdout.trim().split('\n').length < NODES.length) await delay(200);
  return { cluster, controller, nodes, auditFile, image, imageUrl };
}

/** Upgrades all nodes by an OSUpgrade, one after the other. */
export const upgradeAll = (fleet: Fleet): Promise<{ agentPeakMiB: number }> =>
  complete(fleet, 'osupgrade', requestText(fleet));

/** Boots the other slot of all nodes by an OS. */
export const rollBackAll = (fleet: Fleet): Promise<{ agentPeakMiB: number }> =>
  complete(
    fleet,
    'os',
    osText(`opstype: rollback, imagetype: "", osversion: Demo OS ${OLD_VERSION.slice(1)}`),
  );

/** Upgrades all nodes by an OS. */
export const upgradeAllByOS = (fleet: Fleet): Promise<{ agentPeakMiB: number }> => {
  const { image, imageUrl } = fleet;
  const from = `imageurl: "${imageUrl}", flagSafe: true, checksum: "${image.checksum}"`;
  return complete(
    fleet,
    'os',
    osText(`opstype: upgrade, imagetype: disk, osversion: Demo OS ${image.version.slice(1)}, ${from}`),
  );
};

/** Applies a request and waits for its end. Resolves to the highest memory of any agent until its node rebooted. */
async function complete(
  { cluster, nodes }: Fleet,
  kind: 'os' | 'osupgrade',
  text: string,
): Promise<{ agentPeakMiB: number }> {
  const file = join(cluster.dir, 'request.yaml');
  await writeFile(file, text);
  await cluster.kubectl(['apply', '-f', file]);
  const endMs = performance.now() + ROLLOUT_TIMEOUT_MS;
  let agentPeakMiB = 0;
  for (let turn = 0; performance.now() < endMs; turn++) {
    for (const { agent } of nodes) agentPeakMiB = Math.max(agentPeakMiB, peakOf(agent.pid));
    await delay(100);
    if (turn % 20 === 19 && (await isComplete(cluster, kind))) return { agentPeakMiB };
  }
  throw new Error(`the rollout has not ended after ${ROLLOUT_TIMEOUT_MS / 1000} s`);
}

function peakOf(pid: number | undefined): number {
  try {
    return pid === undefined ? 0 : memoryOf(pid).peakMiB;
  } catch {
    // It has ended meanwhile.
    return 0;
  }
}

/** By the status of the generation that was applied last. */
async function isComplete(cluster: Cluster, kind: string): Promise<boolean> {
  const seen = '{.metadata.generation} {.status.observedGeneration}';
  const path = `jsonpath=${seen} {.status.conditions[?(@.type=="Complete")].status}`;
  const { stdout } = await cluster.kubectl(['get', kind, 'bench', '-o', path]);
  const [generation, observed, isTrue] = stdout.split(' ');
  return generation === observed && isTrue === 'True';
}

const osText = (spec: string): string => `apiVersion: upgrade.openeuler.org/v1alpha1
kind: OS
metadata: { name: bench }
spec: { ${spec}, maxunavailable: ${NODES.length} }
`;

const requestText = ({ image, imageUrl }: Fleet): string => `apiVersion: monok8s.io/v1alpha1
kind: OSUpgrade
metadata: { name: bench }
spec:
  version: ${image.version}
  nodeSelector: {}
  catalog:
    inline: |
      stable: ${image.version}
      images:
        - version: ${image.version}
          url: ${imageUrl}
          checksum: ${image.checksum}
          size: ${image.sizeBytes}
`;
