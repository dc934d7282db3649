import { registryPaths } from '../host/registry-paths.ts';
import type { StagedImage } from '../ports.ts';
import { openRegistryImage } from '../transport/registry/registry-image.ts';
import { installLayers } from './install-layers.ts';
import { planLikeRunning, type Staging, timingOf } from './stager-parts.ts';

/**
 * Pulls an image from its registry and unpacks it onto the slot.
 * @throws StalledError as `Stager.stage` says
 */
export async function stageReference(reference: string, staging: Staging): Promise<StagedImage> {
  const { parts, request, hooks, held } = staging;
  const { hostRoot } = parts.config;
  const image = await (parts.openImage ?? openRegistryImage)(
    { ...registryPaths(parts.config), hostRoot, log: parts.log, timing: timingOf(parts) },
    {
      reference,
      checksum: request.image.checksum,
      stallMs: request.stallMs,
      signal: hooks.signal,
      onRetry: (reason, message) => hooks.onRetry(reason, message),
    },
  );
  try {
    return await installLayers(image, {
      request,
      held,
      signal: hooks.signal,
      planFileSystem: () => planLikeRunning(parts.slots),
      onProgress: progress => hooks.onProgress(progress),
    });
  } finally {
    await image.close();
  }
}
