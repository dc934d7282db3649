import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { Registry } from './registry.ts';

/** One layer of an image. */
export interface PushedLayer {
  /** An archive; `compression` tells how it is packed before it is pushed. */
  readonly tar: Buffer;
  /** Default `none`. */
  readonly compression?: 'none' | 'gzip' | 'zstd';
}

/** The image of one platform. */
export interface PushedPlatform {
  /** Default `amd64` on x86-64, else `arm64`: what this machine runs. */
  readonly architecture?: string;
  readonly variant?: string;
  /** The lowest first. */
  readonly layers: readonly PushedLayer[];
}

/** An image to push. */
export interface ImageToPush {
  readonly repository: string;
  readonly tag: string;
  /** More than one make an index, and so does one with `index`. */
  readonly platforms: readonly PushedPlatform[];
  readonly index?: boolean;
  /** Whose media types are used. Default `oci`. */
  readonly kind?: 'oci' | 'docker';
}

/** Bytes in the registry. */
export interface PushedBlob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** What was pushed. */
export interface PushedImage {
  /** Of what the tag names: the index if there is one. */
  readonly digest: string;
  /** Of each platform, in the order of `platforms`. */
  readonly manifests: readonly PushedBlob[];
  /** Of each platform. */
  readonly layers: readonly (readonly PushedBlob[])[];
}

const TYPES = {
  oci: {
    index: 'application/vnd.oci.image.index.v1+json',
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    none: 'application/vnd.oci.image.layer.v1.tar',
    gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
    zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  },
  docker: {
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    none: 'application/vnd.docker.image.rootfs.diff.tar',
    gzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
    zstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  },
} as const;

/** `sha256:<hex>` of some bytes. */
export const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** The architecture that an image needs to run here. */
export const OWN_ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;

/** Makes an image of archives and pushes it, as `docker push` would. */
export async function pushImage(registry: Registry, image: ImageToPush): Promise<PushedImage> {
  const types = TYPES[image.kind ?? 'oci'];
  const isIndex = image.index === true || image.platforms.length > 1;
  const manifests: (PushedBlob & { platform: object })[] = [];
  const layers: PushedBlob[][] = [];
  for (const { architecture = OWN_ARCHITECTURE, variant, layers: archives } of image.platforms) {
    const platform = { os: 'linux', architecture, ...(variant !== undefined && { variant }) };
    const pushed: PushedBlob[] = [];
    for (const { tar, compression = 'none' } of archives)
      pushed.push(await pushBlob(registry, image.repository, types[compression], pack(tar, compression)));
    const diffIds = archives.map(({ tar }) => sha256(tar));
    const config = { ...platform, config: {}, rootfs: { type: 'layers', diff_ids: diffIds } };
    const configBlob = await pushBlob(registry, image.repository, types.config, toBytes(config));
    const body = { schemaVersion: 2, mediaType: types.manifest, config: configBlob, layers: pushed };
    const id = isIndex ? undefined : image.tag;
    manifests.push({
      ...(await pushManifest(registry, image.repository, types.manifest, { body, id })),
      platform,
    });
    layers.push(pushed);
  }
  const body = { schemaVersion: 2, mediaType: types.index, manifests };
  const top = isIndex
    ? await pushManifest(registry, image.repository, types.index, { body, id: image.tag })
    : manifests[0];
  return { digest: top?.digest ?? '', manifests, layers };
}

/** Pushes bytes. */
export async function pushBlob(
  registry: Registry,
  repository: string,
  mediaType: string,
  bytes: Buffer,
): Promise<PushedBlob> {
  const digest = sha256(bytes);
  const begun = await registry.ask(repository, `/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(String(begun.headers.location), registry.url);
  location.searchParams.set('digest', digest);
  const put = await registry.ask(repository, location.pathname + location.search, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream' },
    body: bytes,
  });
  if (put.status !== 201) throw new Error(`pushing a blob: HTTP ${put.status} ${put.body}`);
  return { mediaType, digest, size: bytes.length };
}

/** Pushes any document as a manifest, under a tag or, without `id`, under its digest. */
export async function pushManifest(
  registry: Registry,
  repository: string,
  mediaType: string,
  { body, id }: { body: object; id?: string | undefined },
): Promise<PushedBlob> {
  const bytes = toBytes(body);
  const digest = sha256(bytes);
  const put = await registry.ask(repository, `/v2/${repository}/manifests/${id ?? digest}`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: bytes,
  });
  if (put.status !== 201) throw new Error(`pushing a manifest: HTTP ${put.status} ${put.body}`);
  return { mediaType, digest, size: bytes.length };
}

const toBytes = (value: object): Buffer => Buffer.from(JSON.stringify(value));

function pack(tar: Buffer, compression: 'none' | 'gzip' | 'zstd'): Buffer {
  if (compression === 'gzip') return gzipSync(tar);
  return compression === 'zstd' ? zstdCompressSync(tar) : tar;
}
