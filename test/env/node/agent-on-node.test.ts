import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { parse } from 'yaml';
import { type Cluster, startCluster } from '../cluster.ts';
import { eventually } from '../wait.ts';
import type { EmulatedNode } from './emulated-node.ts';
import { readTrace } from './power-cut-plan.ts';
import { runProgram } from './run-program.ts';
import { startNode } from './start-node.ts';

// Makes the agent write its plan down; the image is nowhere.
const CATALOG = {
  images: [
    { version: 'v1.35.1', url: 'http://127.0.0.1:9/', checksum: `sha256:${'0'.repeat(64)}`, flagSafe: true },
  ],
};
const UPGRADE = {
  apiVersion: 'monok8s.io/v1alpha1',
  kind: 'OSUpgrade',
  metadata: { name: 'by-hand' },
  spec: { version: 'v1.35.1', catalog: { inline: JSON.stringify(CATALOG) } },
};
const PROGRESS = {
  apiVersion: 'monok8s.io/v1alpha1',
  kind: 'OSUpgradeProgress',
  metadata: { name: 'by-hand' },
  spec: { sourceRef: { name: 'by-hand' }, nodeName: 'node-1' },
};
const DAEMON_SET = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'node-agent', namespace: 'mono-system' },
  spec: {
    selector: { matchLabels: { app: 'node-agent' } },
    template: {
      metadata: { labels: { app: 'node-agent' } },
      spec: {
        serviceAccountName: 'node-agent',
        containers: [{ name: 'agent', image: 'none' }],
      },
    },
  },
};

describe('the agent on an emulated node', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let node: EmulatedNode;

  before(async () => {
    cluster = await startCluster({ name: 'agent' });
    await cluster.installTwinslot();
    node = await startNode(cluster, { name: 'node-1', version: 'v1.34.1' });
  });
  after(async () => {
    await node?.stop();
    await cluster?.stop();
  });

  const until = (what: string, check: () => Promise<boolean> | boolean) =>
    eventually(check, { timeoutMs: 60_000, what });
  const logged = async (message: string): Promise<number> =>
    (await node.agent.log()).filter(line => line.message === message).length;

  it('runs as the ServiceAccount, with a token that names the node', async () => {
    await until('the agent serves', async () => (await logged('agent serves its node')) === 1);
    const line = (await node.agent.log()).find(entry => entry.message === 'agent serves its node');
    expect(line).to.include({
      username: 'system:serviceaccount:mono-system:node-agent',
      tokenNode: 'node-1',
    });
  });

  it('starts again when it is killed', async () => {
    const { pid } = node.agent;
    await node.agent.kill('SIGKILL');
    await until('another agent runs', () => node.agent.pid !== undefined && node.agent.pid !== pid);
    expect(node.bootCount).to.equal(1);
  });

  it('asks for a reboot as the host is asked', async () => {
    const { rebootCommand } = parse(await readFile(`${node.dir}/agent.yaml`, 'utf8'));
    const [program, ...args]: string[] = rebootCommand;
    await runProgram(program ?? '', ...args);
    await node.waitForBoot(2);
    await until('the agent runs', () => node.agent.pid !== undefined);
  });

  it('loses power at a chosen write, and comes back', async () => {
    node.agent.powerCut = { at: 1 };
    await node.agent.kill('SIGTERM');
    for (const object of [UPGRADE, PROGRESS]) {
      await cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(object) });
    }
    await node.waitForBoot(3);
    expect((await readTrace(node.dir)).at(-1)).to.equal('cut after 1');
    expect(node.agent.powerCut).to.equal(undefined);
    await node.assertBootsVersion('v1.34.1');
  });

  it('comes and goes with the pod of its DaemonSet', async () => {
    const other = await startNode(cluster, { name: 'node-2', version: 'v1.34.1', agent: 'pod' });
    try {
      expect(other.agent.pid).to.equal(undefined);
      await cluster.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(DAEMON_SET) });
      await until('its agent runs', () => other.agent.pid !== undefined);
      await cluster.kubectl(['delete', 'daemonset', 'node-agent', '-n', 'mono-system']);
      await until('its agent ended', () => other.agent.pid === undefined);
    } finally {
      await other.removeFromCluster();
    }
  });
});
