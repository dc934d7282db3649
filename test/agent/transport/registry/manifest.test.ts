import { expect } from 'chai';
import { parseManifest } from '../../../../src/agent/transport/registry/manifest.ts';
import { messageOf, reasonOf } from '../../../../src/domain/errors.ts';

const OCI = 'application/vnd.oci.image';
const blob = (mediaType: string, change: object = {}) => ({
  mediaType,
  digest: `sha256:${'a'.repeat(64)}`,
  size: 5,
  ...change,
});
const config = blob(`${OCI}.config.v1+json`);
const layer = blob(`${OCI}.layer.v1.tar+gzip`);
const image = (change: object = {}) => ({ schemaVersion: 2, config, layers: [layer], ...change });
const layerOf = (mediaType: string, change: object = {}) => image({ layers: [blob(mediaType, change)] });

const verdict = (document: unknown): string => {
  const bytes = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document));
  try {
    return parseManifest(bytes, 'h.x/os:v1').kind;
  } catch (error) {
    return `${reasonOf(error)}: ${messageOf(error)}`;
  }
};

describe('a manifest', () => {
  for (const { what, document, want } of [
    { what: 'of an image', document: image(), want: 'image' },
    { what: 'with a zstd layer', document: layerOf(`${OCI}.layer.v1.tar+zstd`), want: 'image' },
    { what: 'with a plain layer', document: layerOf(`${OCI}.layer.v1.tar`), want: 'image' },
    {
      what: 'of Docker',
      document: layerOf('application/vnd.docker.image.rootfs.diff.tar.gzip'),
      want: 'image',
    },
    {
      what: 'with a SHA-512',
      document: layerOf(layer.mediaType, { digest: `sha512:${'b'.repeat(128)}` }),
      want: 'image',
    },
    { what: 'with urls that are null', document: layerOf(layer.mediaType, { urls: null }), want: 'image' },
    { what: 'of an index', document: { schemaVersion: 2, manifests: [blob('x')] }, want: 'index' },
    { what: 'of an empty index', document: { manifests: [] }, want: 'index' },
    { what: 'of 512 layers', document: image({ layers: Array(512).fill(layer) }), want: 'image' },
    {
      what: 'of 10,000 layers',
      document: image({ layers: Array(10_000).fill(layer) }),
      want: /^ImageUnsupported: .*10000 layers/,
    },
    {
      what: 'that is HTML',
      document: '<html>hunter2</html>',
      want: /^ManifestInvalid: h\.x\/os:v1 is not JSON/,
    },
    { what: 'that is empty', document: '', want: /^ManifestInvalid/ },
    { what: 'that is null', document: null, want: /^ManifestInvalid/ },
    { what: 'that is a list', document: [image()], want: /^ManifestInvalid/ },
    { what: 'that holds nothing', document: {}, want: /^ManifestInvalid: .*neither/ },
    {
      what: 'of schema 1',
      document: { schemaVersion: 1, fsLayers: [], history: [] },
      want: /^ImageUnsupported: .*schema 1/,
    },
    {
      what: 'that is both',
      document: image({ manifests: [] }),
      want: /^ManifestInvalid: .*at the same time/,
    },
    {
      what: 'that says index and is an image',
      document: image({ mediaType: `${OCI}.index.v1+json` }),
      want: /^ManifestInvalid: .*says/,
    },
    {
      what: 'that says image and is an index',
      document: { manifests: [], mediaType: `${OCI}.manifest.v1+json` },
      want: /^ManifestInvalid: .*says/,
    },
    { what: 'without layers', document: image({ layers: [] }), want: /^ManifestInvalid: .*no layers/ },
    {
      what: 'of an artifact',
      document: image({ artifactType: 'a/b', config: blob('application/vnd.oci.empty.v1+json') }),
      want: /^ImageUnsupported: .*"a\/b"/,
    },
    {
      what: 'with a foreign layer',
      document: layerOf('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'),
      want: /^ImageUnsupported: .*foreign/,
    },
    {
      what: 'with a layer that is not distributed',
      document: layerOf(`${OCI}.layer.nondistributable.v1.tar+zstd`),
      want: /^ImageUnsupported: .*foreign/,
    },
    {
      what: 'with a layer elsewhere',
      document: layerOf(layer.mediaType, { urls: ['https://x'] }),
      want: /^ImageUnsupported: .*foreign/,
    },
    {
      what: 'with another kind of layer',
      document: layerOf('text/html'),
      want: /^ImageUnsupported: .*"text\/html"/,
    },
    {
      what: 'with an MD5',
      document: layerOf(layer.mediaType, { digest: 'md5:abc' }),
      want: /^ImageUnsupported: .*kind md5/,
    },
    {
      what: 'with a short digest',
      document: layerOf(layer.mediaType, { digest: 'sha256:abc' }),
      want: /^ManifestInvalid: .*digest/,
    },
    {
      what: 'with a path for a digest',
      document: layerOf(layer.mediaType, { digest: '../../../etc/passwd' }),
      want: /^ManifestInvalid: .*digest/,
    },
    {
      what: 'with a path in an index',
      document: { manifests: [blob('x', { digest: '../x' })] },
      want: /^ManifestInvalid: .*digest/,
    },
    {
      what: 'with a negative size',
      document: layerOf(layer.mediaType, { size: -1 }),
      want: /^ManifestInvalid: .*size/s,
    },
    {
      what: 'with a half size',
      document: layerOf(layer.mediaType, { size: 1.5 }),
      want: /^ManifestInvalid: .*size/s,
    },
    {
      what: 'with a size as text',
      document: layerOf(layer.mediaType, { size: '5' }),
      want: /^ManifestInvalid: .*size/s,
    },
    {
      what: 'with a size beyond counting',
      document: layerOf(layer.mediaType, { size: 2 ** 60 }),
      want: /^ManifestInvalid: .*size/s,
    },
    {
      what: 'without a size',
      document: layerOf(layer.mediaType, { size: undefined }),
      want: /^ManifestInvalid: .*size/s,
    },
    { what: 'nested beyond reading', document: '['.repeat(100_000), want: /^ManifestInvalid/ },
  ])
    it(`${what}: ${want instanceof RegExp ? want.source.slice(1, 18) : want}`, () => {
      const found = verdict(document);
      if (typeof want === 'string') expect(found).to.equal(want);
      else expect(found).to.match(want);
      expect(found).not.to.contain('hunter2');
    });
});
