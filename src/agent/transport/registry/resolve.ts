import { StalledError } from '../../../domain/errors.ts';
import { formatImageReference, type ImageReference, isDigest } from '../../../domain/image-reference.ts';
import { patiently } from '../patience.ts';
import { type BlobOptions, fetchBlob } from './blob.ts';
import { digestOf } from './digest.ts';
import type { EndpointClient } from './endpoint-client.ts';
import {
  type Descriptor,
  MANIFEST_TYPES,
  MAX_MANIFEST_BYTES,
  type Manifest,
  parseManifest,
} from './manifest.ts';
import { checkPlatform, choose, platformMissing, platformsOf } from './platform.ts';
import { readBody } from './read-body.ts';

/** Manifests that are read for one image at most: an index that leads on and on is not followed. */
const MAX_MANIFESTS = 16;
const MAX_DEPTH = 4;

/** The manifest of one platform. */
export interface ResolvedImage {
  /** `sha256:<hex>` of it. */
  readonly digest: string;
  readonly layers: readonly Descriptor[];
}

/** What an image is looked for with. */
export interface ResolveOptions extends BlobOptions {
  readonly reference: ImageReference;
  readonly checksum?: string | undefined;
  /** As images call it: `amd64`, `arm64`. */
  readonly architecture: string;
}

interface Fetched {
  readonly manifest: Manifest;
  /** `sha256:<hex>` */
  readonly digest: string;
}

interface Found {
  readonly image: Extract<Manifest, { kind: 'image' }>;
  /** Of the index first, if there is one, and of the image last. */
  readonly digests: readonly string[];
}

/**
 * Reads the manifest of this platform, through as many indexes as it takes.
 * @throws StalledError
 */
export async function resolveImage(options: ResolveOptions): Promise<ResolvedImage> {
  const { reference, architecture, checksum } = options;
  const where = formatImageReference(reference);
  const top = await fetchManifest(options, { id: reference.digest ?? reference.tag ?? 'latest' });
  const seen = { platforms: new Set<string>(), manifests: 1 };
  const found = await descend(options, top, { digests: [], seen });
  if (found === undefined) throw platformMissing(where, architecture, [...seen.platforms]);
  const digest = found.digests.at(-1) ?? top.digest;
  if (checksum !== undefined && !found.digests.includes(checksum)) {
    throw new StalledError(
      'ChecksumMismatch',
      `${where} has the digest ${[...new Set([top.digest, digest])].join(', for this platform ')}, ` +
        `but checksum is ${checksum}: correct one of them`,
    );
  }
  checkPlatform(await readConfig(options, found.image.config, where), architecture, where);
  return { digest, layers: found.image.layers };
}

interface Path {
  readonly digests: readonly string[];
  readonly seen: { readonly platforms: Set<string>; manifests: number };
}

async function descend(
  options: ResolveOptions,
  { manifest, digest }: Fetched,
  { digests, seen }: Path,
): Promise<Found | undefined> {
  const path = [...digests, digest];
  if (manifest.kind === 'image') return { image: manifest, digests: path };
  for (const name of platformsOf(manifest.manifests)) seen.platforms.add(name);
  for (const child of choose(manifest.manifests, options.architecture)) {
    seen.manifests++;
    if (path.length >= MAX_DEPTH || seen.manifests > MAX_MANIFESTS) {
      throw new StalledError(
        'ManifestInvalid',
        `${formatImageReference(options.reference)} is an index that leads from index to index: push a plain one`,
      );
    }
    const next = await fetchManifest(options, { id: child.digest, size: child.size });
    const found = await descend(options, next, { digests: path, seen });
    if (found !== undefined) return found;
  }
  return undefined;
}

interface Wanted {
  /** Tag or digest. */
  readonly id: string;
  readonly size?: number;
}

const fetchManifest = (options: ResolveOptions, wanted: Wanted): Promise<Fetched> =>
  patiently(options, () =>
    options.hosts.tryEach(isDigest(wanted.id) ? 'canPull' : 'canResolve', client =>
      fetchManifestFrom(client, wanted, options),
    ),
  );

async function fetchManifestFrom(
  client: EndpointClient,
  { id, size }: Wanted,
  { signal, reference }: ResolveOptions,
): Promise<Fetched> {
  const answer = await client.get(`manifests/${id}`, { accept: MANIFEST_TYPES.join(', ') }, signal);
  const bytes = await readBody(answer, MAX_MANIFEST_BYTES);
  signal.throwIfAborted();
  if (bytes === undefined) {
    throw new StalledError(
      'ManifestInvalid',
      `${answer.where} is larger than ${MAX_MANIFEST_BYTES / 2 ** 20} MiB, as no manifest is`,
    );
  }
  const told = String(answer.response.headers['docker-content-digest'] ?? '');
  for (const digest of [id, told].filter(isDigest)) {
    if (digestOf(bytes, digest) === digest) continue;
    throw new StalledError(
      'ChecksumMismatch',
      `${answer.where} does not have the digest ${digest}: push it anew`,
    );
  }
  if (size !== undefined && size !== bytes.length) {
    const problem = `has ${bytes.length} bytes instead of the ${size} that its index says`;
    throw new StalledError('ChecksumMismatch', `${answer.where} ${problem}: push it anew`);
  }
  const { host, repository } = reference;
  const where = isDigest(id) ? `${host}/${repository}@${id}` : formatImageReference(reference);
  return { manifest: parseManifest(bytes, where), digest: digestOf(bytes) };
}

async function readConfig(options: BlobOptions, config: Descriptor, where: string): Promise<Buffer> {
  if (config.size > MAX_MANIFEST_BYTES)
    throw new StalledError('ManifestInvalid', `${where} has a configuration of ${config.size} bytes`);
  const chunks: Buffer[] = [];
  for await (const chunk of fetchBlob(options, config)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
