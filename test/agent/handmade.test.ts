import { expect } from 'chai';
import type { OSUpgradeProgress } from '../../src/api/monok8s/index.ts';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { type ImageServer, startImageServer } from '../env/image-server.ts';
import { buildImage, type Image } from '../env/images.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { startNode } from '../env/node/start-node.ts';
import { eventually } from '../env/wait.ts';

const NODE = 'node-1';

describe('an object made by hand, where no controller is installed', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let server: ImageServer;
  let node: EmulatedNode;
  let image: Image;

  before(async () => {
    image = await buildImage({ version: 'v1.35.1' });
    server = await startImageServer({ files: { '/rootfs.ext4.zst': image.zstPath } });
    cluster = await startCluster({ name: 'handmade' });
    await cluster.installTwinslot();
    node = await startNode(cluster, { name: NODE, version: 'v1.34.1' });
  });
  after(async () => {
    await node?.stop();
    await cluster?.stop();
    await server?.close();
  });

  const apply = (object: object) => cluster.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(object) });
  const catalog = (checksum: string) =>
    [
      'stable: v1.35.1',
      'images:',
      '  - version: v1.35.1',
      `    url: ${server.url}/rootfs.ext4.zst`,
      `    checksum: ${checksum}`,
      `    size: ${image.sizeBytes}`,
      '  - version: v1.34.6',
      '    url: https://example.invalid/v1.34.6.img.zst',
      '    checksum: sha256:abc',
    ].join('\n');
  const request = (name: string, spec: object) =>
    apply({ apiVersion: 'monok8s.io/v1alpha1', kind: 'OSUpgrade', metadata: { name }, spec });
  const progress = (name: string, source: string) =>
    apply({
      apiVersion: 'monok8s.io/v1alpha1',
      kind: 'OSUpgradeProgress',
      metadata: { name },
      spec: { sourceRef: { name: source }, nodeName: NODE },
    });
  const statusOf = async (name: string): Promise<NonNullable<OSUpgradeProgress['status']>> => {
    const { stdout } = await cluster.kubectl(['get', 'osupgradeprogress', name, '-o', 'json']);
    return JSON.parse(stdout).status ?? {};
  };
  const reaches = (name: string, phase: string) =>
    eventually(
      async () => {
        const status = await statusOf(name);
        if (['Failed', 'RolledBack'].includes(status.phase ?? '') && status.phase !== phase)
          throw new Error(`${status.phase}: ${status.failureReason}: ${status.message}`);
        return status.phase === phase;
      },
      { timeoutMs: 90_000, what: `${name} is ${phase}` },
    );

  it('reports its slots in the OSInstance of the node', async () => {
    const instance = async () => {
      const { stdout } = await cluster.kubectl(['get', 'osinstance', NODE, '-o', 'json'], {
        allowFailure: true,
      });
      return stdout === '' ? undefined : JSON.parse(stdout);
    };
    await eventually(async () => (await instance())?.status?.slots?.length === 2, {
      timeoutMs: 20_000,
      what: 'the OSInstance is reported',
    });
    const { metadata, spec, status } = await instance();
    expect(metadata.labels).to.deep.equal({ 'upgrade.openeuler.org/osinstance-node': NODE });
    expect(metadata.ownerReferences[0]).to.deep.include({ kind: 'Node', name: NODE });
    expect(spec.nodestatus).to.equal('idle');
    expect(status.slots[0]).to.deep.include({ name: 'A', booted: true, default: true, version: '1.34.1' });
    expect(status.bootId).to.equal(node.system?.bootId);
  });

  it('fails with a wrong checksum, and goes through after the nonce was changed with kubectl', async () => {
    await request('my-upgrade', {
      version: 'v1.35.1',
      catalog: { inline: catalog(`sha256:${'0'.repeat(64)}`) },
    });
    await progress('by-hand', 'my-upgrade');
    await reaches('by-hand', 'Failed');
    const failed = await statusOf('by-hand');
    expect(failed).to.deep.include({
      failureReason: 'ChecksumMismatch',
      attempt: 1,
      currentVersion: 'v1.34.1',
    });
    expect(failed.message).to.contain('kubectl patch osupgradeprogress by-hand');
    await node.assertBootsVersion('v1.34.1');

    await request('my-upgrade', { version: 'v1.35.1', catalog: { inline: catalog(image.checksum) } });
    const patch = JSON.stringify({ spec: { retryNonce: 'retry-1' } });
    await cluster.kubectl(['patch', 'osupgradeprogress', 'by-hand', '--type', 'merge', '-p', patch]);
    await reaches('by-hand', 'Completed');
    const status = await statusOf('by-hand');
    expect(status).to.deep.include({
      currentVersion: 'v1.35.1',
      targetVersion: 'v1.35.1',
      inactivePartition: 'A',
      failureReason: '',
      attempt: 2,
      observedRetryNonce: 'retry-1',
    });
    const chain = status.history?.map(entry => entry.phase) ?? [];
    expect(chain.slice(chain.lastIndexOf('Pending'))).to.deep.equal([
      ...['Pending', 'Downloading', 'Installing', 'Staged', 'Rebooting', 'Confirming', 'Completed'],
    ]);
    expect(node.bootedSlot).to.equal('B');
    await node.assertBootsVersion('v1.35.1');
    expect(await node.grubenv()).to.deep.include({ saved_entry: 'B' });
  });
});
