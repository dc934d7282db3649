import type { Logger } from 'winston';
import { StalledError } from '../../../domain/errors.ts';
import type { RegistryPaths } from '../../host/registry-paths.ts';
import type { RegistryImage } from '../../install/layer.ts';
import type { Timing } from '../fetch-file.ts';

/** What images are pulled with. */
export interface RegistryParts extends RegistryPaths {
  /** Where the host's root is mounted: absolute paths in a registry's configuration lie below it. */
  readonly hostRoot: string;
  readonly log: Logger;
  readonly timing: Timing;
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
 * @throws StalledError `ReferenceInvalid`, `NotFound`, `AccessDenied`, `CertificateInvalid`, `ChecksumMismatch`,
 *   `ManifestInvalid`, `ImageUnsupported`, `PlatformMissing`, `DownloadStalled`
 */
export function openRegistryImage(_parts: RegistryParts, request: PullRequest): Promise<OpenImage> {
  throw new StalledError(
    'AddressUnsupported',
    `images in registries are not there yet: ${request.reference}`,
  );
}
