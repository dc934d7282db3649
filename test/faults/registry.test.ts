import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { createAuthority } from '../env/control-plane-certificates.ts';
import { buildRootTar } from '../env/images.ts';
import { needsRoot } from '../env/needs-root.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { putFile } from '../env/node/node-files.ts';
import { type Registry, startRegistry } from '../env/registry.ts';
import { type RegistryProxy, startRegistryProxy } from '../env/registry-proxy.ts';
import { type ImageToPush, type PushedImage, pushImage } from '../env/registry-push.ts';
import { fault } from './rows.ts';
import { type Expected, expectEnd, NEW, useWorld } from './world.ts';

const RETRY = 'retryNonce';
const REPOSITORY = 'kubeos/system';
const OTHER_ARCHITECTURE = 's390x';

describe('faults of a registry and its images', function () {
  this.timeout(120_000);
  const world = useWorld();
  /** Serves all rows that end where they began. */
  let node: EmulatedNode;
  let registry: Registry;
  /** Between the nodes and a registry that lets everybody in. */
  let proxy: RegistryProxy;
  let open: Registry;
  let good: PushedImage;

  before(async function () {
    needsRoot(this, 'mounting a slot');
    open = await startRegistry();
    registry = await startRegistry({ tls: true, auth: 'password' });
    proxy = await startRegistryProxy(open);
    const { path } = await buildRootTar({ version: NEW, fillMiB: 3 });
    const layers = [{ tar: await readFile(path), compression: 'gzip' as const }];
    good = await push('good', { platforms: [{ layers }] });
    await push('foreign', { platforms: [{ architecture: OTHER_ARCHITECTURE, layers }], index: true });
    await pushImage(registry, { repository: REPOSITORY, tag: 'good', platforms: [{ layers }] });
    node = await runner();
  });
  after(() => Promise.all([proxy?.close(), open?.stop(), registry?.stop()]));
  afterEach(() => proxy?.setFaults());

  const push = (tag: string, image: Pick<ImageToPush, 'platforms' | 'index'>): Promise<PushedImage> =>
    pushImage(open, { repository: REPOSITORY, tag, ...image });
  /** A node that knows the authority and the password of the registry that has both. */
  const runner = async (): Promise<EmulatedNode> => {
    const made = await world().node();
    await setUp(made, registry.authority?.certificatePem ?? '', registry.dockerConfig);
    return made;
  };
  const setUp = async ({ files }: EmulatedNode, authority: string, password: string): Promise<void> => {
    await putFile(files, `/etc/docker/certs.d/${registry.host}/ca.crt`, authority);
    await putFile(files, '/root/.docker/config.json', password);
  };
  const at = ({ host }: { host: string }, tag: string): string => `${host}/${REPOSITORY}:${tag}`;
  const plan = (on: EmulatedNode, reference: string, checksum?: string): Promise<string> =>
    world().plan(on.name, { reference, ...(checksum !== undefined && { checksum }) });
  const fails = async (
    image: { readonly reference: string; readonly checksum?: string },
    reason: string,
    says: Expected['says'],
  ) => {
    const status = await world().end(await plan(node, image.reference, image.checksum));
    await expectEnd(status, node, { phase: 'Failed', reason, says: [...says, RETRY] });
    return status;
  };

  fault('registry down in the middle of a blob (resumed)', async () => {
    const on = await runner();
    proxy.setFaults({ kind: 'drop', everyBytes: 1_200_000, times: 2 });
    const status = await world().end(await plan(on, at(proxy, 'good')));
    expect(status.phase, status.message).to.equal('Completed');
    expect(status.retryCount).to.equal(2);
    const resumed = proxy.requests.filter(({ status: code }) => code === 206);
    expect(resumed, 'the rest alone was asked for').to.have.length(2);
    await on.assertBootsVersion(NEW);
  });

  fault('registry that stays down', async () => {
    const gone = await startRegistry();
    await gone.stop();
    await fails({ reference: at(gone, 'good') }, 'DownloadStalled', [gone.host]);
  });

  fault('blob whose digest is wrong', async () => {
    proxy.setFaults({ kind: 'corrupt', atByte: 2_000_000 });
    await fails({ reference: at(proxy, 'good') }, 'ChecksumMismatch', [good.layers[0]?.[0]?.digest ?? '-']);
    expect(await node.slotOsRelease('B'), 'the slot holds no system').to.deep.equal({});
  });

  fault('manifest whose digest is not the one asked for', async () => {
    const zeros = `sha256:${'0'.repeat(64)}`;
    await fails({ reference: at(proxy, 'good'), checksum: zeros }, 'ChecksumMismatch', [zeros, good.digest]);
  });

  fault('image that is not in the registry', () =>
    fails({ reference: at(proxy, 'none') }, 'NotFound', [REPOSITORY, 'none', '404']),
  );

  fault('image for other machines only', () =>
    fails({ reference: at(proxy, 'foreign') }, 'PlatformMissing', [OTHER_ARCHITECTURE]),
  );

  fault('registry that refuses the password', async () => {
    const wrong = Buffer.from('puller:wrong').toString('base64');
    const auths = { [registry.host]: { auth: wrong } };
    await setUp(node, registry.authority?.certificatePem ?? '', JSON.stringify({ auths }));
    const status = await fails({ reference: at(registry, 'good') }, 'AccessDenied', [registry.host]);
    expect(status.message).to.not.contain('wrong');
    await setUp(node, registry.authority?.certificatePem ?? '', registry.dockerConfig);
  });

  fault('registry of an unknown authority', async () => {
    await setUp(node, createAuthority().certificatePem, registry.dockerConfig);
    await fails({ reference: at(registry, 'good') }, 'CertificateInvalid', ['certs.d']);
    await setUp(node, registry.authority?.certificatePem ?? '', registry.dockerConfig);
  });
});
