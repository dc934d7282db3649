import { expect } from 'chai';
import type { NodePlan, OSUpgradeProgress, OSUpgradeProgressStatus } from '../../src/api/monok8s/index.ts';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { type ImageServer, startImageServer } from '../env/image-server.ts';
import { buildImage, type Image } from '../env/images.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { type NodeOptions, startNode } from '../env/node/start-node.ts';
import { eventually } from '../env/wait.ts';

/** Version that every node starts with. */
export const OLD = 'v1.34.1';
/** Version that the plans ask for. */
export const NEW = 'v1.35.1';
/** Path of the good image on the server. */
export const IMAGE_PATH = '/rootfs.ext4.zst';

/** Phases that end an attempt. */
export const ENDS: readonly string[] = ['Completed', 'Failed', 'RolledBack'];

type PlanImage = NonNullable<NodePlan['image']>;

/** A control plane, an image server and what the rows of the table need of them. */
export class World {
  readonly cluster: Cluster;
  readonly server: ImageServer;
  readonly image: Image;
  readonly #nodes: EmulatedNode[] = [];
  #count = 0;

  private constructor(cluster: Cluster, server: ImageServer, image: Image) {
    this.cluster = cluster;
    this.server = server;
    this.image = image;
  }

  static async start(): Promise<World> {
    const image = await buildImage({ version: NEW });
    const server = await startImageServer({ files: { [IMAGE_PATH]: image.zstPath } });
    const cluster = await startCluster({ name: 'faults' });
    await cluster.installTwinslot();
    return new World(cluster, server, image);
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#nodes.map(node => node.stop()));
    await this.cluster.stop();
    await this.server.close();
  }

  /** A node of its own for one row, with both programs' real parts. */
  async node(options: Partial<NodeOptions> = {}): Promise<EmulatedNode> {
    this.#count += 1;
    const node = await startNode(this.cluster, { name: `node-${this.#count}`, version: OLD, ...options });
    this.#nodes.push(node);
    return node;
  }

  /** What the good image's entry says, for a row to spoil. */
  entry(change: Partial<PlanImage> = {}): PlanImage {
    const { image, server } = this;
    return {
      url: `${server.url}${IMAGE_PATH}`,
      checksum: image.checksum,
      size: image.sizeBytes,
      flagSafe: true,
      ...change,
    };
  }

  /** A plan whose gate is open: the agent goes through without a controller. */
  async plan(node: string, image: PlanImage, change: Partial<NodePlan> = {}): Promise<string> {
    this.#count += 1;
    const name = `plan-${this.#count}`;
    await this.apply({
      apiVersion: 'monok8s.io/v1alpha1',
      kind: 'OSUpgradeProgress',
      metadata: { name },
      spec: {
        sourceRef: { name: 'by-hand' },
        nodeName: node,
        plan: {
          kind: 'upgrade',
          rollout: 1,
          targetVersion: NEW,
          image,
          limits: { stallSeconds: 4, trialSeconds: 30 },
          gate: { state: 'Open', attempt: 1 },
          ...change,
        },
      },
    });
    return name;
  }

  async apply(object: object): Promise<void> {
    await this.cluster.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(object) });
  }

  async get<T>(kind: string, name: string): Promise<T> {
    const { stdout } = await this.cluster.kubectl(['get', kind, name, '-o', 'json']);
    return JSON.parse(stdout);
  }

  async statusOf(name: string): Promise<OSUpgradeProgressStatus> {
    return (await this.get<OSUpgradeProgress>('osupgradeprogress', name)).status ?? {};
  }

  /** Waits until an object fulfils a condition, and returns its status then. */
  async until(
    name: string,
    what: string,
    check: (status: OSUpgradeProgressStatus) => boolean,
    timeoutMs = 90_000,
  ): Promise<OSUpgradeProgressStatus> {
    let last: OSUpgradeProgressStatus = {};
    const seen = async (): Promise<boolean> => {
      last = await this.statusOf(name);
      return check(last);
    };
    await eventually(seen, { timeoutMs, what: `${name}: ${what}` }).catch(error => {
      throw new Error(`${error.message}\n${JSON.stringify(last, null, 2)}`);
    });
    return last;
  }

  /** Waits for the end of an attempt. */
  end(name: string, timeoutMs?: number): Promise<OSUpgradeProgressStatus> {
    return this.until(name, 'has ended', ({ phase }) => ENDS.includes(phase ?? ''), timeoutMs);
  }
}

/** What an attempt must end as. */
export interface Expected {
  readonly phase: 'Failed' | 'RolledBack';
  readonly reason: string;
  /** Parts of the message that tell the way out. */
  readonly says: readonly (string | RegExp)[];
}

/** Asserts how an attempt ended, that the message tells the way out, and that the old version still boots. */
export async function expectEnd(
  status: OSUpgradeProgressStatus,
  node: EmulatedNode,
  { phase, reason, says }: Expected,
): Promise<void> {
  expect(`${status.phase} ${status.failureReason}`, status.message).to.equal(`${phase} ${reason}`);
  for (const part of says)
    expect(status.message).to.match(part instanceof RegExp ? part : new RegExp(RegExp.escape(part)));
  expect(status.currentVersion).to.equal(OLD);
  await node.assertBootsVersion(OLD);
  expect(await node.grubenv()).to.include({ saved_entry: 'A' });
  expect((await node.grubenv()).next_entry ?? '').to.equal('');
}

/** Starts a world before the tests of a file and stops it after them. */
export function useWorld(): () => World {
  let world: World | undefined;
  before(async function () {
    this.timeout(120_000);
    world = await World.start();
  });
  after(async function () {
    this.timeout(60_000);
    await world?.stop();
  });
  return () => {
    if (world === undefined) throw new Error('the world is not there before the tests run');
    return world;
  };
}
