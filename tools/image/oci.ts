import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ImageReference } from '../../src/domain/image-reference.ts';
import type { Architecture } from './architecture.ts';
import { digestOf, type Layer, startTar } from './layer.ts';
import { plainModes } from './tree.ts';

/** An image that is to be written as one file. */
export interface ImageSource {
  readonly reference: ImageReference;
  readonly architecture: Architecture;
  readonly version: string;
  /** From the lowest to the highest. */
  readonly layers: readonly { readonly name: string; readonly layer: Layer }[];
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** The same for everyone, as the time at which an image is built is no property of it. */
const CREATED = '1970-01-01T00:00:00Z';
const SEARCH_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Writes an image as an OCI layout in a tar, which containerd, Docker, Podman and skopeo read. `manifest.json` is for
 * Docker before 25. `path` appears whole or not at all.
 * @source OCI image specification 1.1; names of annotations that containerd reads: containerd images/annotations.go
 * @returns digest of the manifest
 */
export async function writeImage(path: string, source: ImageSource): Promise<string> {
  const { reference, layers } = source;
  const config = JSON.stringify(configOf(source));
  const manifest = JSON.stringify({
    ...{ schemaVersion: 2, mediaType: MANIFEST },
    config: descriptor(CONFIG, config),
    layers: layers.map(({ layer: { digest, bytes } }) => ({ mediaType: LAYER, digest, size: bytes })),
  });
  const name = `${reference.host}/${reference.repository}:${reference.tag}`;
  const index = {
    ...{ schemaVersion: 2, mediaType: INDEX },
    manifests: [
      {
        ...descriptor(MANIFEST, manifest),
        annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': reference.tag },
        platform: { architecture: source.architecture, os: 'linux' },
      },
    ],
  };
  const docker = [
    {
      ...{ Config: blob(digestOf(config)), RepoTags: [name.replace(/^docker\.io\/(library\/)?/, '')] },
      Layers: layers.map(({ layer }) => blob(layer.digest)),
    },
  ];
  await mkdir(dirname(path), { recursive: true });
  const temp = await mkdtemp(`${path}.temp-`);
  try {
    const root = join(temp, 'root');
    await mkdir(join(root, 'blobs/sha256'), { recursive: true });
    // Copies, not links: tar minds if another build touches the layer in the cache meanwhile.
    for (const { layer } of layers) await copyFile(layer.path, join(root, blob(layer.digest)));
    for (const text of [config, manifest]) await writeFile(join(root, blob(digestOf(text))), text);
    await writeFile(join(root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(root, 'index.json'), JSON.stringify(index));
    await writeFile(join(root, 'manifest.json'), JSON.stringify(docker));
    await plainModes(root);
    const { tar, ended } = startTar(root);
    await Promise.all([pipeline(tar, createWriteStream(join(temp, 'image.tar'))), ended]);
    await rename(join(temp, 'image.tar'), path);
  } finally {
    await rm(temp, { recursive: true, force: true });
  }
  return digestOf(manifest);
}

const blob = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

const descriptor = (mediaType: string, text: string) => ({
  ...{ mediaType, digest: digestOf(text), size: Buffer.byteLength(text) },
});

const configOf = ({ architecture, version, layers }: ImageSource) => ({
  ...{ created: CREATED, architecture, os: 'linux' },
  config: {
    ...{ Env: [SEARCH_PATH], Cmd: ['ctl', '--help'], WorkingDir: '/' },
    Labels: {
      'org.opencontainers.image.title': 'twinslot',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.licenses': 'Apache-2.0',
    },
  },
  rootfs: { type: 'layers', diff_ids: layers.map(({ layer }) => layer.diffId) },
  history: layers.map(({ name }) => ({ created: CREATED, created_by: name })),
});
