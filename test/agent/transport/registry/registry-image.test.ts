import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { type Registry, startRegistry } from '../../../env/registry.ts';
import { OWN_ARCHITECTURE, pushBlob, pushImage, pushManifest, sha256 } from '../../../env/registry-push.ts';
import { createPuller, type Puller } from './puller.ts';

const TAR = randomBytes(300_000);
const OTHER = randomBytes(1000);
const OCI = 'application/vnd.oci.image';
const DOCKER = 'application/vnd.docker';

/** What skopeo says of an image, by its own client. */
const skopeo = (...args: string[]): string =>
  execFileSync('skopeo', ['inspect', '--tls-verify=false', ...args], { encoding: 'utf8' });

describe('images in a registry', () => {
  let registry: Registry;
  let puller: Puller;
  before(async () => {
    registry = await startRegistry();
  });
  beforeEach(() => {
    puller = createPuller();
  });
  afterEach(() => puller.remove());
  after(() => registry.stop());

  for (const kind of ['oci', 'docker'] as const) {
    it(`pulls the layers of an image of ${kind} kind, packed as they are`, async () => {
      // Docker's kind knows no zstd, says skopeo.
      const compression = kind === 'oci' ? 'zstd' : 'gzip';
      const pushed = await pushImage(registry, {
        repository: `a/${kind}`,
        tag: 'v1',
        kind,
        platforms: [
          { layers: [{ tar: TAR }, { tar: TAR, compression: 'gzip' }, { tar: OTHER, compression }] },
        ],
      });
      const reference = `${registry.host}/a/${kind}:v1`;
      const image = await puller.open(reference);
      await image.close();
      expect(image.digest).to.equal(pushed.digest);
      expect(image.digest).to.equal(JSON.parse(skopeo(`docker://${reference}`)).Digest);
      expect(image.layers.map(({ name }) => name)).to.deep.equal(
        JSON.parse(skopeo(`docker://${reference}`)).Layers,
      );
      expect(image.layers.map(({ sizeBytes }) => sizeBytes)).to.deep.equal(
        pushed.layers[0]?.map(({ size }) => size),
      );
      expect((await puller.pull(reference)).map(sha256)).to.deep.equal(
        pushed.layers[0]?.map(({ digest }) => digest),
      );
    });

    it(`takes this platform's image from an index of ${kind} kind`, async () => {
      const layers = [{ tar: TAR }];
      const pushed = await pushImage(registry, {
        repository: `multi/${kind}`,
        tag: 'v1',
        kind,
        platforms: [
          { architecture: 's390x', layers: [{ tar: OTHER }] },
          { architecture: 'amd64', variant: 'v3', layers: [{ tar: OTHER }] },
          { architecture: 'amd64', layers },
          { architecture: 'arm64', variant: 'v8', layers },
        ],
      });
      const reference = `${registry.host}/multi/${kind}:v1`;
      const [, , amd64, arm64] = pushed.manifests;
      for (const [architecture, want] of [
        ['amd64', amd64?.digest],
        ['arm64', arm64?.digest],
      ] as const) {
        for (const checksum of [undefined, pushed.digest, want]) {
          const image = await puller.open(reference, {
            architecture,
            ...(checksum !== undefined && { checksum }),
          });
          await image.close();
          expect(image.digest).to.equal(want);
        }
      }
      const theirs = skopeo('--raw', `docker://${reference}`);
      expect(sha256(Buffer.from(theirs))).to.equal(pushed.digest);
      expect(await puller.ending(reference, { architecture: 'ppc64le' })).to.match(
        /^PlatformMissing: .*linux\/ppc64le, only for linux\/s390x, linux\/amd64\/v3, linux\/amd64, linux\/arm64\/v8:/,
      );
    });
  }

  it('pulls by digest, of the index and of the image, whatever the tag says', async () => {
    const pushed = await pushImage(registry, {
      repository: 'pinned',
      tag: 'v1',
      index: true,
      platforms: [{ layers: [{ tar: TAR }] }],
    });
    await pushImage(registry, { repository: 'pinned', tag: 'v1', platforms: [{ layers: [{ tar: OTHER }] }] });
    for (const digest of [pushed.digest, pushed.manifests[0]?.digest]) {
      for (const name of [`pinned@${digest}`, `pinned:v1@${digest}`, `pinned:gone@${digest}`])
        expect((await puller.pull(`oci://${registry.host}/${name}`)).map(sha256)).to.deep.equal([
          sha256(TAR),
        ]);
    }
    expect(await puller.ending(`${registry.host}/pinned:v1`, { checksum: pushed.digest })).to.match(
      /^ChecksumMismatch: .*pinned:v1 has the digest sha256:.* but checksum is sha256:/,
    );
    expect(await puller.ending(`${registry.host}/pinned:v1`, { checksum: 'sha256:abc' })).to.match(
      /^ChecksumInvalid/,
    );
  });

  it('takes latest without a tag', async () => {
    await pushImage(registry, {
      repository: 'tagless',
      tag: 'latest',
      platforms: [{ layers: [{ tar: TAR }] }],
    });
    expect(await puller.ending(`${registry.host}/tagless`)).to.equal('pulled');
  });

  it('says what is not there', async () => {
    expect(await puller.ending(`${registry.host}/nobody:v1`)).to.match(
      /^NotFound: .*\/v2\/nobody\/manifests\/v1/,
    );
    await pushImage(registry, { repository: 'somebody', tag: 'v1', platforms: [{ layers: [{ tar: TAR }] }] });
    expect(await puller.ending(`${registry.host}/somebody:v2`)).to.match(
      /^NotFound: .*somebody\/manifests\/v2/,
    );
    expect(await puller.ending(`${registry.host}/somebody@sha256:${'0'.repeat(64)}`)).to.match(/^NotFound/);
    expect(await puller.ending(`${registry.host}/Some:v2`)).to.match(/^ReferenceInvalid/);
  });

  it('refuses an image for another machine, and takes one that does not say for which', async () => {
    const layers = [{ tar: TAR }];
    await pushImage(registry, {
      repository: 'other',
      tag: 'v1',
      platforms: [{ architecture: 'mips', layers }],
    });
    expect(await puller.ending(`${registry.host}/other:v1`)).to.match(
      /^PlatformMissing: .*only for linux\/mips/,
    );
    const config = await pushBlob(registry, 'other', `${OCI}.config.v1+json`, Buffer.from('{}'));
    const layer = await pushBlob(registry, 'other', `${OCI}.layer.v1.tar`, TAR);
    const body = { schemaVersion: 2, config, layers: [layer] };
    await pushManifest(registry, 'other', `${OCI}.manifest.v1+json`, {
      body: { ...body, mediaType: `${OCI}.manifest.v1+json` },
      id: 'any',
    });
    expect(await puller.ending(`${registry.host}/other:any`)).to.equal('pulled');
  });

  it('finds its platform in an index within an index, past attestations', async () => {
    const inner = await pushImage(registry, {
      repository: 'nested',
      tag: 'inner',
      index: true,
      platforms: [{ layers: [{ tar: TAR }] }],
    });
    const attestation = { ...inner.manifests[0], platform: { os: 'unknown', architecture: 'unknown' } };
    const pointer = await registry.ask('nested', `/v2/nested/manifests/${inner.digest}`, {
      headers: { accept: `${OCI}.index.v1+json` },
    });
    const child = { mediaType: `${OCI}.index.v1+json`, digest: inner.digest, size: pointer.body.length };
    const body = { schemaVersion: 2, mediaType: child.mediaType, manifests: [attestation, child] };
    const outer = await pushManifest(registry, 'nested', child.mediaType, { body, id: 'outer' });
    for (const checksum of [outer.digest, inner.digest, inner.manifests[0]?.digest ?? ''])
      expect(await puller.ending(`${registry.host}/nested:outer`, { checksum })).to.equal('pulled');
  });

  it('takes the one image of an index that says nothing of platforms', async () => {
    const { manifests } = await pushImage(registry, {
      repository: 'bare',
      tag: 'v1',
      platforms: [{ layers: [{ tar: TAR }] }],
    });
    const [{ mediaType = '', digest = '', size = 0 } = {}] = manifests;
    const body = {
      schemaVersion: 2,
      mediaType: `${OCI}.index.v1+json`,
      manifests: [{ mediaType, digest, size }],
    };
    await pushManifest(registry, 'bare', body.mediaType, { body, id: 'index' });
    expect(await puller.ending(`${registry.host}/bare:index`)).to.equal('pulled');
  });

  it('refuses what is no image, by name', async () => {
    const config = await pushBlob(registry, 'odd', `${OCI}.config.v1+json`, Buffer.from('{}'));
    const layer = await pushBlob(registry, 'odd', `${OCI}.layer.v1.tar`, TAR);
    const push = (id: string, change: object) => {
      const body = {
        schemaVersion: 2,
        mediaType: `${OCI}.manifest.v1+json`,
        config,
        layers: [layer],
        ...change,
      };
      return pushManifest(registry, 'odd', body.mediaType, { body, id });
    };
    await push('chart', { config: { ...config, mediaType: 'application/vnd.cncf.helm.config.v1+json' } });
    expect(await puller.ending(`${registry.host}/odd:chart`)).to.match(/^ImageUnsupported: .*helm\.config/);
    await push('plugin', { config: { ...config, mediaType: `${DOCKER}.plugin.v1+json` } });
    expect(await puller.ending(`${registry.host}/odd:plugin`)).to.match(
      /^ImageUnsupported: .*docker\.plugin/,
    );
    await push('encrypted', { layers: [{ ...layer, mediaType: `${OCI}.layer.v1.tar+gzip+encrypted` }] });
    expect(await puller.ending(`${registry.host}/odd:encrypted`)).to.match(/^ImageUnsupported: .*encrypted/);
    await push('foreign', { layers: [{ ...layer, urls: ['https://elsewhere.example/x'] }] });
    expect(await puller.ending(`${registry.host}/odd:foreign`)).to.match(
      /^ImageUnsupported: .*foreign layer/,
    );
  });

  it('fetches an empty layer', async () => {
    const pushed = await pushImage(registry, {
      repository: 'empty',
      tag: 'v1',
      platforms: [{ layers: [{ tar: Buffer.alloc(0) }, { tar: TAR }] }],
    });
    expect(pushed.layers[0]?.[0]?.size).to.equal(0);
    expect((await puller.pull(`${registry.host}/empty:v1`)).map(({ length }) => length)).to.deep.equal([
      0,
      TAR.length,
    ]);
  });

  it(`runs on ${OWN_ARCHITECTURE} unless told otherwise`, async () => {
    await pushImage(registry, {
      repository: 'own',
      tag: 'v1',
      index: true,
      platforms: [{ layers: [{ tar: TAR }] }],
    });
    expect(await puller.ending(`${registry.host}/own:v1`)).to.equal('pulled');
  });
});
