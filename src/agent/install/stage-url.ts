import type { PlanImage } from '../../api/monok8s/index.ts';
import { StalledError } from '../../domain/errors.ts';
import { type ClientCredentials, loadClientCredentials } from '../../tls/client-credentials.ts';
import { followLinks } from '../host/follow-links.ts';
import type { StagedImage, StageRequest } from '../ports.ts';
import { checkAddress, publicAddress } from '../transport/address.ts';
import { FileChangedError, fetchFile } from '../transport/fetch-file.ts';
import { createHttpClient, type HttpClient } from '../transport/http-client.ts';
import { install } from './install.ts';
import { planLikeRunning, type StagerParts, type Staging, timingOf } from './stager-parts.ts';
import { assertChecksumForm } from './verify.ts';

/** A file that changes under every download is nobody's network trouble. */
const MAX_CHANGES = 5;
const MAX_SILENCE_MS = 30_000;

/** An image at an address, and what it may be fetched with. */
export interface UrlSource {
  readonly url: URL;
  readonly credentials: ClientCredentials;
}

/**
 * Checks everything about an address that can be checked before anything is fetched.
 * @throws StalledError `InsecureAddress`, `AddressUnsupported`, `ChecksumInvalid`, `CertificateInvalid`
 */
export async function checkUrl(
  parts: StagerParts,
  address: string,
  { image }: StageRequest,
): Promise<UrlSource> {
  const url = checkAddress(address, image.flagSafe === true);
  assertChecksumForm(image.checksum ?? '');
  const credentials = await credentialsFor(parts, url, image);
  if (url.protocol === 'http:') parts.log.warn('image address is insecure', { address: publicAddress(url) });
  return { url, credentials };
}

/** Certificates count for https alone: a request may name them for either. */
async function credentialsFor(
  { config, clock, log }: StagerParts,
  url: URL,
  image: PlanImage,
): Promise<ClientCredentials> {
  if (url.protocol !== 'https:') return {};
  const path = await followLinks(config.hostRoot, config.certDir);
  return loadClientCredentials({ path, shown: config.certDir }, image, clock.nowMs(), log);
}

/**
 * Fetches a file and puts what it holds onto the slot. Begins anew as often as the file on the server changes meanwhile.
 * @throws StalledError as `Stager.stage` says
 */
export async function stageUrl({ url, credentials }: UrlSource, staging: Staging): Promise<StagedImage> {
  const { request, hooks } = staging;
  const silenceMs = Math.min(MAX_SILENCE_MS, Math.max(Math.floor(request.stallMs / 2), 100));
  const flagSafe = request.image.flagSafe === true;
  const client = createHttpClient({ url, flagSafe, credentials, silenceMs });
  try {
    for (let changes = 1; ; changes++) {
      try {
        return await attempt(client, staging);
      } catch (error) {
        if (!(error instanceof FileChangedError)) throw error;
        if (changes >= MAX_CHANGES) throw keepsChanging(error);
        hooks.onRetry(error.reason, error.message);
      }
    }
  } finally {
    await client.close();
  }
}

async function attempt(client: HttpClient, { parts, request, hooks, held }: Staging): Promise<StagedImage> {
  // Ends the connection when the way to the slot fails: nobody would read from it any more.
  const end = new AbortController();
  const signal = AbortSignal.any([hooks.signal, end.signal]);
  let total = 0;
  const source = fetchFile({
    client,
    timing: timingOf(parts),
    stallMs: request.stallMs,
    signal,
    onTotal: bytes => {
      total = bytes;
      hooks.onProgress({ phase: 'Downloading', bytesDone: 0, bytesTotal: bytes });
    },
    onRetry: (reason, message) => hooks.onRetry(reason, message),
  });
  try {
    return await (parts.install ?? install)(source, {
      request,
      held,
      // No checksum at all is one that nothing has.
      checksum: request.image.checksum ?? '',
      signal: hooks.signal,
      log: parts.log,
      planFileSystem: () => planLikeRunning(parts.slots),
      fetchedTotal: () => total,
      onProgress: progress => hooks.onProgress(progress),
    });
  } finally {
    end.abort();
  }
}

const keepsChanging = (cause: FileChangedError): StalledError =>
  new StalledError(
    'DownloadStalled',
    `${MAX_CHANGES} downloads had to begin anew: put the file there once and leave it, on a server that can resume`,
    { cause },
  );
