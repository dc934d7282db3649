import type { StagedImage } from '../ports.ts';
import { install } from './install.ts';
import { planLikeRunning, type Staging } from './stager-parts.ts';

/** Bytes that somebody else brings. */
export interface ByteStream {
  readonly source: AsyncIterator<Buffer>;
  /** 0 if that is not known. */
  readonly totalBytes: number;
}

/**
 * Puts an image that comes by itself, from a file or a pipe, onto a slot.
 * @throws StalledError as `Stager.stage` says; whatever `source` throws
 */
export function installStream(
  { source, totalBytes }: ByteStream,
  { parts, request, hooks, held, checksum }: Staging & { readonly checksum: string | undefined },
): Promise<StagedImage> {
  return (parts.install ?? install)(source, {
    request,
    held,
    checksum,
    signal: hooks.signal,
    log: parts.log,
    planFileSystem: () => planLikeRunning(parts.slots),
    fetchedTotal: () => totalBytes,
    onProgress: progress => hooks.onProgress(progress),
  });
}
