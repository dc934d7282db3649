import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { type Registry, startRegistry } from '../../../env/registry.ts';
import { type RegistryProxy, startRegistryProxy } from '../../../env/registry-proxy.ts';
import { type PushedImage, pushBlob, pushImage, pushManifest } from '../../../env/registry-push.ts';
import { createPuller, type Puller } from './puller.ts';

const TAR = randomBytes(10_000);
const OCI = 'application/vnd.oci.image';

describe('a registry that means no good', () => {
  let registry: Registry;
  let proxy: RegistryProxy;
  let puller: Puller;
  let pushed: PushedImage;
  let reference: string;
  before(async () => {
    registry = await startRegistry();
    pushed = await pushImage(registry, {
      repository: 'os',
      tag: 'v1',
      index: true,
      platforms: [{ layers: [{ tar: TAR }] }],
    });
  });
  beforeEach(async () => {
    proxy = await startRegistryProxy(registry);
    reference = `${proxy.host}/os:v1`;
    puller = createPuller();
  });
  afterEach(async () => {
    puller.remove();
    await proxy.close();
  });
  after(() => registry.stop());

  const manifests = (body: string | Buffer, headers: Record<string, string> = {}) =>
    proxy.setFaults({ kind: 'answer', path: /manifests/, status: 200, body, headers });

  it('answers a page', async () => {
    manifests('<html>hunter2</html>', { 'content-type': 'text/html' });
    expect(await puller.ending(reference))
      .to.match(/^ManifestInvalid: .*not JSON/)
      .and.not.to.contain('hunter2');
    expect(puller.retries).to.deep.equal([]);
  });

  it('answers more than any manifest has', async () => {
    manifests(Buffer.alloc(4 * 2 ** 20 + 1, ' '));
    expect(await puller.ending(reference)).to.match(/^ManifestInvalid: .*larger than 4 MiB/);
    manifests(Buffer.alloc(40 * 2 ** 20, ' '), { 'transfer-encoding': 'chunked' });
    expect(await puller.ending(reference)).to.match(/^ManifestInvalid: .*larger than 4 MiB/);
  });

  it('promises more than it sends', async () => {
    const raw = await registry.ask('os', '/v2/os/manifests/v1', {
      headers: { accept: `${OCI}.index.v1+json` },
    });
    manifests(raw.body, { 'content-length': String(raw.body.length + 10), connection: 'close' });
    expect(await puller.ending(reference, { stallMs: 20_000 })).to.match(/^DownloadStalled: .*/);
  });

  it('never answers', async () => {
    const listener = await startRegistryProxy({ ...registry, url: 'http://127.0.0.1:1' });
    await listener.close();
    expect(await puller.ending(`${listener.host}/os:v1`, { stallMs: 20_000 })).to.match(
      /^DownloadStalled: .*refuses connections/,
    );
  });

  it('sends other bytes than their digest says', async () => {
    manifests('{"schemaVersion":2,"manifests":[]}', { 'docker-content-digest': pushed.digest });
    expect(await puller.ending(reference)).to.match(/^ChecksumMismatch/);
    manifests('{"schemaVersion":2,"manifests":[]}');
    expect(await puller.ending(`${proxy.host}/os@${pushed.digest}`)).to.match(/^ChecksumMismatch/);
  });

  it('sends an odd digest that is none', async () => {
    proxy.setFaults({ kind: 'headers', path: /manifests/, set: { 'docker-content-digest': '../../x' } });
    expect(await puller.ending(reference)).to.equal('pulled');
  });

  const nest = async (repository: string, depth: number, width: number): Promise<void> => {
    let children: object[] = [];
    for (let level = 0; level < depth; level++) {
      const body = {
        schemaVersion: 2,
        mediaType: `${OCI}.index.v1+json`,
        manifests: children,
        annotations: { level },
      };
      const made = await pushManifest(registry, repository, body.mediaType, { body, id: 'v1' });
      children = Array.from({ length: width }, () => made);
    }
  };

  it('leads from index to index', async () => {
    await nest('deep', 8, 1);
    expect(await puller.ending(`${registry.host}/deep:v1`)).to.match(/^ManifestInvalid: .*index to index/);
    await nest('wide', 2, 500);
    const before = proxy.requests.length;
    expect(await puller.ending(`${proxy.host}/wide:v1`)).to.match(/^ManifestInvalid: .*index to index/);
    expect(proxy.requests.length - before).to.be.at.most(17);
  });

  it('gives wrong sizes', async () => {
    const config = await pushBlob(registry, 'sizes', `${OCI}.config.v1+json`, Buffer.from('{}'));
    const layer = await pushBlob(registry, 'sizes', `${OCI}.layer.v1.tar`, TAR);
    const image = (change: object) => ({
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config,
      layers: [layer],
      ...change,
    });
    for (const [id, change] of [
      ['zero', { layers: [{ ...layer, size: 0 }] }],
      ['small', { layers: [{ ...layer, size: TAR.length - 1 }] }],
      ['large', { layers: [{ ...layer, size: TAR.length + 1 }] }],
      ['config', { config: { ...config, size: 3 } }],
    ] as const) {
      const body = JSON.stringify(image(change));
      manifests(body);
      expect(await puller.ending(`${proxy.host}/sizes:${id}`), id).to.match(/^ChecksumMismatch/);
    }
    manifests(JSON.stringify(image({ config: { ...config, size: 2 ** 40 } })));
    expect(await puller.ending(`${proxy.host}/sizes:huge`)).to.match(/^ManifestInvalid: .*configuration/);
    const [child] = pushed.manifests;
    manifests('');
    const index = { schemaVersion: 2, manifests: [{ ...child, size: (child?.size ?? 0) + 1 }] };
    proxy.setFaults({ kind: 'answer', path: /manifests\/v2$/, status: 200, body: JSON.stringify(index) });
    expect(await puller.ending(`${proxy.host}/os:v2`)).to.match(/^ChecksumMismatch: .*its index says/);
  });

  it('has a token server that answers nonsense', async () => {
    const secured = await startRegistry({ auth: 'token', anonymousPull: true });
    const between = await startRegistryProxy(secured);
    try {
      const tokens = `${between.url}/token`;
      const challenge = { 'www-authenticate': `Bearer realm="${tokens}",service="x"` };
      for (const [body, want] of [
        ['<html>', /^AccessDenied: .*no token/],
        ['{}', /^AccessDenied: .*no token/],
        ['{"token":7}', /^AccessDenied: .*no token/],
        ['{"token":"a\\nb"}', /^AccessDenied: .*characters/],
        [`{"token":"${'x'.repeat(2 ** 20)}"}`, /^AccessDenied: .*no token/],
      ] as const) {
        between.setFaults(
          { kind: 'headers', path: /manifests/, set: challenge },
          { kind: 'answer', path: /\/token/, status: 200, body },
        );
        expect(await puller.ending(`${between.host}/os:v1`), body.slice(0, 20)).to.match(want);
      }
      between.setFaults(
        { kind: 'headers', path: /manifests/, set: challenge },
        { kind: 'answer', path: /\/token/, status: 302, headers: { location: 'http://169.254.169.254/' } },
      );
      expect(await puller.ending(`${between.host}/os:v1`)).to.match(/^AccessDenied: .*answers HTTP 302/);
    } finally {
      await between.close();
      await secured.stop();
    }
  });

  it('is no registry at all', async () => {
    for (const status of [204, 400, 405, 418]) {
      proxy.setFaults({ kind: 'answer', path: /manifests/, status });
      expect(await puller.ending(reference), String(status)).to.match(
        /^AddressUnsupported: .*as no registry does/,
      );
    }
  });

  it('or a good one, with an IPv6 address', async () => {
    const six = await startRegistryProxy(registry, { address: '::1' });
    try {
      expect(await puller.ending(`${six.host}/os:v1`)).to.equal('pulled');
    } finally {
      await six.close();
    }
  });
});
