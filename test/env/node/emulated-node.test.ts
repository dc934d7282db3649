import { expect } from 'chai';
import { type Cluster, startCluster } from '../cluster.ts';
import { eventually } from '../wait.ts';
import type { EmulatedNode } from './emulated-node.ts';
import { runProgram } from './run-program.ts';
import { startNode } from './start-node.ts';

describe('the emulated node', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let node: EmulatedNode;

  before(async () => {
    cluster = await startCluster({ name: 'node' });
    const labels = { pool: 'blue' };
    const disk = { version: 'v1.34.1', secondVersion: 'v1.35.1' };
    node = await startNode(cluster, { name: 'node-1', labels, controlPlane: true, agent: 'none', ...disk });
  });
  after(async () => {
    await node?.stop();
    await cluster?.stop();
  });

  /** A JSONPath of an object, `undefined` while it is not there. */
  async function look(what: string, path: string): Promise<string | undefined> {
    const command = ['get', ...what.split(' '), '-o', `jsonpath={${path}}`];
    const { code, stdout } = await cluster.kubectl(command, { allowFailure: true });
    return code === 0 ? stdout : undefined;
  }
  const becomes = (what: string, path: string, value: string | undefined) =>
    eventually(async () => (await look(what, path)) === value, {
      timeoutMs: 60_000,
      what: `${path} of ${what} is ${value}`,
    });
  const READY = '.status.conditions[?(@.type=="Ready")].status';
  const runPod = (name: string) => cluster.kubectl(['run', name, '--image=none', '--restart=Never']);

  it('joins with its labels and tells which system runs', async () => {
    expect(await look('node node-1', '.status.nodeInfo.osImage')).to.equal('Demo OS 1.34.1');
    expect(await look('node node-1', '.metadata.labels.pool')).to.equal('blue');
    expect(await look('node node-1', READY)).to.equal('True');
    expect(await look('nodes -l node-role.kubernetes.io/control-plane', '.items[*].metadata.name')).to.equal(
      'node-1',
    );
    expect(await look('lease node-1 -n kube-node-lease', '.spec.holderIdentity')).to.equal('node-1');
  });

  it('runs pods that are scheduled to it and removes them', async () => {
    await runPod('short');
    await becomes('pod short', '.status.phase', 'Running');
    expect(await look('pod short', '.status.containerStatuses[0].ready')).to.equal('true');
    await cluster.kubectl(['delete', 'pod', 'short', '--timeout=30s']);
  });

  it('keeps a pod that never ends', async () => {
    node.faults.podRemovalDelayMs = () => undefined;
    await runPod('stuck');
    await becomes('pod stuck', '.status.phase', 'Running');
    const { code } = await cluster.kubectl(['delete', 'pod', 'stuck', '--timeout=2s'], {
      allowFailure: true,
    });
    expect(code).not.to.equal(0);
    expect(await look('pod stuck', '.metadata.name')).to.equal('stuck');
    node.faults.podRemovalDelayMs = () => 0;
  });

  it('boots the other slot once, with another boot id, and then the default again', async () => {
    const before = node.system?.bootId;
    await runProgram('grub-editenv', node.files.grubEnvironment, 'set', 'next_entry=B');
    await node.assertBootsVersion('v1.35.1');
    expect(await node.grubenv()).to.deep.include({ next_entry: 'B' });
    await node.reboot();
    expect(node.bootedSlot).to.equal('B');
    await becomes('node node-1', '.status.nodeInfo.osImage', 'Demo OS 1.35.1');
    expect(await look('node node-1', '.status.nodeInfo.bootID')).to.equal(node.system?.bootId);
    expect(node.system?.bootId).not.to.equal(before);
    await becomes('node node-1', READY, 'True');
    // The pod that would not go went with the machine.
    await becomes('pod stuck', '.metadata.name', undefined);
    await node.assertBootsVersion('v1.34.1');
    await node.reboot();
    await becomes('node node-1', '.status.nodeInfo.osImage', 'Demo OS 1.34.1');
    expect(await node.bootLog()).to.include('GRUB: next_entry=B, cleared');
  });

  it('stays away when nothing can be loaded, and NotReady where it is told to be', async () => {
    node.faults.notLoadable.add('A');
    const boots = node.bootCount;
    await node.reboot();
    expect([node.bootedSlot, node.bootCount]).to.deep.equal([undefined, boots]);
    await node.assertBootsVersion('v1.34.1').then(
      () => expect.fail('it claims to boot'),
      error => expect(error.message).to.contain('menu'),
    );
    node.faults.notLoadable.clear();
    node.faults.neverReady.add('A');
    node.faults.shownVersion.set('A', '9.9.9');
    await node.reboot();
    await becomes('node node-1', '.status.nodeInfo.osImage', 'Demo OS 9.9.9');
    await becomes('node node-1', READY, 'False');
  });
});
