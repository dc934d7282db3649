import { z } from 'zod';
import { StalledError } from '../../../domain/errors.ts';
import { isDigest } from '../../../domain/image-reference.ts';

/** The kinds of manifests that a registry is asked for. */
export const MANIFEST_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
] as const;
/** Larger ones are refused. @source OCI distribution specification 1.1: registries should take up to 4 MiB */
export const MAX_MANIFEST_BYTES = 4 * 2 ** 20;
/** More than any engine mounts. */
const MAX_LAYERS = 512;

const CONFIG_TYPES = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
];
const LAYER_TYPE =
  /^application\/vnd\.(oci\.image\.layer\.v1\.tar|docker\.image\.rootfs\.diff\.tar)([.+](gzip|zstd))?$/;
const FOREIGN_TYPE = /\.(nondistributable|foreign)\./;

const Platform = z.looseObject({
  os: z.string().default(''),
  architecture: z.string().default(''),
  variant: z.string().default(''),
});
const Descriptor = z.looseObject({
  mediaType: z.string().default(''),
  digest: z.string(),
  size: z.int().min(0),
  urls: z.array(z.string()).nullish(),
  platform: Platform.nullish(),
});
/** A pointer to bytes. */
export type Descriptor = z.infer<typeof Descriptor>;

const Document = z.looseObject({
  schemaVersion: z.int().optional(),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  manifests: z.array(Descriptor).optional(),
  config: Descriptor.optional(),
  layers: z.array(Descriptor).optional(),
  fsLayers: z.unknown().optional(),
});

/** What a registry keeps under a tag or a digest. */
export type Manifest =
  | { readonly kind: 'index'; readonly manifests: readonly Descriptor[] }
  | { readonly kind: 'image'; readonly config: Descriptor; readonly layers: readonly Descriptor[] };

/**
 * Reads a manifest or an index of Docker's or OCI's kind.
 * @param where for messages
 * @throws StalledError `ManifestInvalid`, `ImageUnsupported`
 */
export function parseManifest(bytes: Buffer, where: string): Manifest {
  const document = parseDocument(bytes, where);
  if (document.schemaVersion === 1 || document.fsLayers !== undefined)
    throw unsupported(where, 'is of manifest schema 1, which is out of use: push it with a newer tool');
  const { manifests, config, layers } = document;
  // One document that can be read as both is somebody's trick.
  if (manifests !== undefined && (config !== undefined || layers !== undefined))
    throw invalid(where, 'is an index and an image at the same time');
  const types = manifests === undefined ? MANIFEST_TYPES.slice(2) : MANIFEST_TYPES.slice(0, 2);
  if (document.mediaType !== undefined && !types.some(type => type === document.mediaType))
    throw invalid(where, `says that it is ${JSON.stringify(document.mediaType)}, which it is not`);
  if (manifests !== undefined) {
    for (const descriptor of manifests) checkDigest(descriptor, where);
    return { kind: 'index', manifests };
  }
  if (config === undefined || layers === undefined)
    throw invalid(where, 'has neither manifests nor config and layers');
  checkImage({ config, layers, artifactType: document.artifactType }, where);
  return { kind: 'image', config, layers };
}

function parseDocument(bytes: Buffer, where: string): z.infer<typeof Document> {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch {
    // The parser's words quote the body, which is never echoed.
    throw invalid(where, 'is not JSON: does the address lead to a registry?');
  }
  const read = Document.safeParse(json);
  if (!read.success) throw invalid(where, z.prettifyError(read.error));
  return read.data;
}

interface ImageParts {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly artifactType: string | undefined;
}

function checkImage({ config, layers, artifactType }: ImageParts, where: string): void {
  if (!CONFIG_TYPES.includes(config.mediaType)) {
    const kind = artifactType ?? config.mediaType;
    throw unsupported(where, `is no image but ${JSON.stringify(kind)}: give an image's tag or digest`);
  }
  checkDigest(config, where);
  if (layers.length === 0) throw invalid(where, 'has no layers');
  if (layers.length > MAX_LAYERS)
    throw unsupported(where, `has ${layers.length} layers: ${MAX_LAYERS} at most, so build it with fewer`);
  for (const layer of layers) checkLayer(layer, where);
}

function checkLayer(layer: Descriptor, where: string): void {
  if (FOREIGN_TYPE.test(layer.mediaType) || (layer.urls ?? []).length > 0)
    throw unsupported(where, `has a foreign layer (${layer.digest}): build it without such layers`);
  if (!LAYER_TYPE.test(layer.mediaType))
    throw unsupported(
      where,
      `has a layer of the kind ${JSON.stringify(layer.mediaType)}: build it with tar, \
plain or with gzip or zstd`,
    );
  checkDigest(layer, where);
}

function checkDigest({ digest }: Descriptor, where: string): void {
  if (isDigest(digest)) return;
  const kind = /^[a-z0-9+._-]{1,32}(?=:)/.exec(digest)?.[0];
  if (kind !== undefined && kind !== 'sha256' && kind !== 'sha512')
    throw unsupported(where, `uses digests of the kind ${kind}: build it with sha256`);
  throw invalid(where, 'holds a digest that is none');
}

const invalid = (where: string, problem: string): StalledError =>
  new StalledError('ManifestInvalid', `${where} ${problem}`);
const unsupported = (where: string, problem: string): StalledError =>
  new StalledError('ImageUnsupported', `${where} ${problem}`);
