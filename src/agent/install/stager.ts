import { reasonOf, StalledError, TransientError } from '../../domain/errors.ts';
import type { StagedImage, StageHooks, StageRequest, Stager } from '../ports.ts';
import { holdSlot } from '../slots/exclusive.ts';
import { stageReference } from './stage-reference.ts';
import { checkUrl, stageUrl } from './stage-url.ts';
import type { StagerParts, Staging } from './stager-parts.ts';

/** Fetches images from http(s) servers and from registries, and puts them onto slots. */
export function createStager(parts: StagerParts): Stager {
  return { stage: (request, hooks) => stage(parts, request, hooks) };
}

/** Puts an image onto a slot that is held. */
export type Put = (staging: Staging) => Promise<StagedImage>;

async function stage(parts: StagerParts, request: StageRequest, hooks: StageHooks): Promise<StagedImage> {
  return stageBy(await prepare(parts, request), parts, request, hooks);
}

/**
 * Has an image put onto a slot that may be written, and holds it meanwhile: the one way to a slot.
 * @throws as `Slots.assertWritable`, `holdSlot`; TransientError `SlotBusy`; whatever `put` throws
 */
export async function stageBy(
  put: Put,
  parts: StagerParts,
  request: StageRequest,
  hooks: StageHooks,
): Promise<StagedImage> {
  await parts.slots.assertWritable(request.slot.name);
  const held = await holdSlot(request.slot.path).catch((error: unknown) => {
    throw isStillMounted(error) ? stillLeaving(error) : error;
  });
  try {
    return await put({ parts, request, hooks, held });
  } finally {
    await held.release();
  }
}

/** What no mount table shows but the kernel says: it was mounted by a process of ours that was killed. */
const isStillMounted = (error: unknown): boolean => reasonOf(error) === 'SlotMounted';

const stillLeaving = (cause: unknown): TransientError =>
  new TransientError('SlotBusy', 'the slot is still being flushed for a process that ended: wait for it', {
    cause,
  });

/** Refuses what can be refused before the slot is touched; returns how the image comes onto it. */
async function prepare(parts: StagerParts, request: StageRequest): Promise<Put> {
  const { url, reference } = request.image;
  assertFits(request);
  if (url !== undefined) {
    const source = await checkUrl(parts, url, request);
    return staging => stageUrl(source, staging);
  }
  if (reference !== undefined) return staging => stageReference(reference, staging);
  throw new StalledError(
    'AddressUnsupported',
    'the image has no address: give an http(s) address or a reference',
  );
}

function assertFits({ image, slot }: StageRequest): void {
  if (image.size === undefined || image.size <= slot.sizeBytes) return;
  throw new StalledError(
    'ImageTooLarge',
    `the image's size is given as ${image.size} bytes, but slot ${slot.name} has ${slot.sizeBytes}: ` +
      "make the image's file system smaller",
  );
}
