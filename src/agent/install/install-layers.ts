import { StalledError } from '../../domain/errors.ts';
import type { StagedImage } from '../ports.ts';
import { fillSlot } from './archive/fill-slot.ts';
import { LayerUnpacker } from './archive/unpack-layers.ts';
import { imageInvalid } from './image-format.ts';
import type { InstallOptions } from './install-options.ts';
import type { Layer, RegistryImage } from './layer.ts';
import { type Peekable, peekable } from './peekable.ts';

/** So much more is fetched of a layer that cannot be unpacked, to tell a damaged one from a wrong one. */
const DRAIN_BYTES = 64 * 1024 * 1024;

/** One pass over one image of a registry. */
export type LayersOptions = Omit<InstallOptions, 'checksum' | 'fetchedTotal' | 'log'>;

/** Puts an image of a registry onto a slot. */
export type InstallLayers = (image: RegistryImage, options: LayersOptions) => Promise<StagedImage>;

/**
 * Unpacks the layers of an image, or the `/os.tar` in it, onto a slot. Nothing is kept elsewhere; memory holds a record
 * of each file.
 * @throws StalledError as `Stager.stage` says; whatever a layer throws
 */
export const installLayers: InstallLayers = async (image, options) => {
  const { request, held, signal, onProgress } = options;
  const [lowest] = image.layers;
  if (lowest === undefined) throw imageInvalid('the image has no layers', 'give one with a root file system');
  const progress = fetchProgress(image.layers, options);
  // Before anything is destroyed: the registry does send it.
  const first = openLayer(lowest, progress);
  await first.peek(1);
  let expandedBytes = 0;
  const plan = await options.planFileSystem();
  const superblockHash = await fillSlot(
    { slot: request.slot, held, plan, signal, onProgress },
    async filling => {
      const unpacker = new LayerUnpacker(filling);
      for (const layer of image.layers) {
        const open = layer === lowest ? first : openLayer(layer, progress);
        await damagedFirst(open, () => unpacker.take(open));
      }
      expandedBytes = unpacker.finish();
    },
  );
  return { checksum: image.digest, expandedBytes, superblockHash };
};

/** Tells how much of all layers has come. */
function fetchProgress(layers: readonly Layer[], { onProgress }: LayersOptions): (bytes: number) => void {
  const isKnown = layers.every(({ sizeBytes }) => sizeBytes > 0);
  const bytesTotal = isKnown ? layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) : 0;
  let bytesDone = 0;
  return bytes => {
    bytesDone += bytes;
    onProgress({ phase: 'Downloading', bytesDone, bytesTotal });
  };
}

function openLayer(layer: Layer, onBytes: (bytes: number) => void): Peekable {
  const source = layer.open();
  return peekable(async () => {
    const next = await source.next();
    if (!next.done) onBytes(next.value.length);
    return next;
  });
}

/** A damaged layer mostly shows as one that cannot be read; that it is damaged is the better thing to say. */
async function damagedFirst(layer: Peekable, take: () => Promise<void>): Promise<void> {
  try {
    await take();
  } catch (error) {
    if (error instanceof StalledError && error.reason === 'ImageInvalid') await drain(layer);
    throw error;
  }
}

/** @throws what the layer throws at its end if it was not what it should be */
async function drain({ bytes }: Peekable): Promise<void> {
  for (let left = DRAIN_BYTES; left > 0; ) {
    const next = await bytes.next();
    if (next.done) return;
    left -= next.value.length;
  }
}
