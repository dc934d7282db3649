import type { Logger } from 'winston';
import { StalledError } from '../../../domain/errors.ts';
import { type ImageReference, parseImageReference } from '../../../domain/image-reference.ts';
import type { RegistryPaths } from '../../host/registry-paths.ts';
import type { RegistryImage } from '../../install/layer.ts';
import type { Timing } from '../patience.ts';
import { type BlobOptions, fetchBlob } from './blob.ts';
import { readCredentials } from './credentials.ts';
import { createEndpointClient } from './endpoint-client.ts';
import { readEndpoints } from './endpoints.ts';
import { createHosts, type Hosts } from './hosts.ts';
import { architectureOf } from './platform.ts';
import { resolveImage } from './resolve.ts';

const MAX_SILENCE_MS = 30_000;

/** What images are pulled with. */
export interface RegistryParts extends RegistryPaths {
  /** Where the host's root is mounted: absolute paths in a registry's configuration lie below it. */
  readonly hostRoot: string;
  readonly log: Logger;
  readonly timing: Timing;
  /** As images call it: `amd64`, `arm64`; this machine's if absent. */
  readonly architecture?: string;
}

/** One image to pull. */
export interface PullRequest {
  /** `[oci://][host[:port]/]repository[:tag][@sha256:…]` */
  readonly reference: string;
  /** `sha256:<hex>` of the index or of this platform's manifest. */
  readonly checksum?: string | undefined;
  /** Without a new byte for so long it is given up. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
  /** A transient failure that is going to be retried. */
  onRetry(reason: string, message: string): void;
}

/** An image whose layers can be fetched until it is closed. */
export interface OpenImage extends RegistryImage {
  /** Ends every connection. */
  close(): Promise<void>;
}

/**
 * Finds an image in its registry and reads its manifest; nothing of its layers is fetched yet.
 * @throws StalledError `ReferenceInvalid`, `ChecksumInvalid`, `NotFound`, `AccessDenied`, `CertificateInvalid`,
 *   `ChecksumMismatch`, `ManifestInvalid`, `ImageUnsupported`, `PlatformMissing`, `RegistryConfigInvalid`,
 *   `InsecureAddress`, `AddressForbidden`, `AddressUnsupported`, `DownloadStalled`
 */
export async function openRegistryImage(parts: RegistryParts, request: PullRequest): Promise<OpenImage> {
  const reference = parseImageReference(request.reference);
  const checksum = request.checksum?.toLowerCase();
  if (checksum !== undefined && !/^sha256:[0-9a-f]{64}$/.test(checksum))
    throw new StalledError('ChecksumInvalid', 'checksum must be sha256: and 64 hex digits');
  const hosts = await openHosts(parts, reference, request.stallMs);
  const closing = new AbortController();
  const options: BlobOptions = {
    hosts,
    timing: parts.timing,
    stallMs: request.stallMs,
    signal: AbortSignal.any([request.signal, closing.signal]),
    onRetry: (reason, message) => request.onRetry(reason, message),
  };
  const close = async () => {
    closing.abort();
    await hosts.close();
  };
  try {
    const architecture = parts.architecture ?? architectureOf(process.arch);
    const { digest, layers } = await resolveImage({ ...options, reference, checksum, architecture });
    return {
      digest,
      layers: layers.map(layer => ({
        name: layer.digest,
        sizeBytes: layer.size,
        open: () => fetchBlob(options, layer),
      })),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openHosts(
  parts: RegistryParts,
  { host, repository }: ImageReference,
  stallMs: number,
): Promise<Hosts> {
  const endpoints = await readEndpoints(parts, host);
  const credentials = await readCredentials(parts);
  const silenceMs = Math.min(MAX_SILENCE_MS, Math.max(Math.floor(stallMs / 2), 100));
  return createHosts(
    endpoints.map(endpoint => createEndpointClient({ endpoint, repository, credentials, silenceMs })),
    parts.log,
  );
}
