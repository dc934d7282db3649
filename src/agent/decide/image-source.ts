import type { PlanImage } from '../../api/monok8s/index.ts';
import { messageOf, reasonOf } from '../../domain/errors.ts';
import { parseImageReference } from '../../domain/image-reference.ts';
import { REGISTRY_SCHEME } from '../../domain/plan-image.ts';
import type { Refusal } from '../../domain/version-change.ts';

/** Where a plan's image is. `address` is what the plan says. */
export type ImageSource =
  | { readonly type: 'file'; readonly address: string }
  | { readonly type: 'registry'; readonly address: string };

/** Where an image is; `undefined` if the plan does not say, or says two things. `oci://` is a registry's. */
export function sourceOf({ url, reference }: PlanImage): ImageSource | undefined {
  if (Boolean(url) === Boolean(reference)) return undefined;
  if (url && !url.startsWith(REGISTRY_SCHEME)) return { type: 'file', address: url };
  return { type: 'registry', address: reference || url || '' };
}

/** The address of an image for logs: what may be secret (user, password, query) is left out. */
export function publicSource(image: PlanImage): string {
  const source = sourceOf(image);
  if (source?.type === 'registry') return source.address;
  const url = URL.parse(source?.address ?? '');
  return url ? `${url.protocol}//${url.host}${url.pathname}` : '';
}

/** The digest that fixes an image for good. Without one it is what the address holds at the time: a tag may move. */
export const fixedDigest = (image: PlanImage): string | undefined =>
  (image.checksum || /@(sha\d+:[0-9a-f]+)$/i.exec(sourceOf(image)?.address ?? '')?.[1])?.toLowerCase();

/** Why an image cannot be fetched at all, as the plan describes it. */
export function judgeSource(image: PlanImage): Refusal | undefined {
  const source = sourceOf(image);
  if (!source)
    return image.url
      ? {
          reason: 'ImageAmbiguous',
          message: "the plan's image has both an address (url) and a registry reference: give one of them",
        }
      : {
          reason: 'ImageMissing',
          message: "the plan's image has neither an address (url) nor a registry reference: give one of them",
        };
  if (source.type === 'file')
    return image.checksum
      ? undefined
      : {
          reason: 'ChecksumInvalid',
          message: `the image ${publicSource(image)} has no checksum: give what sha256sum prints for the file`,
        };
  try {
    parseImageReference(source.address);
    return undefined;
  } catch (error) {
    return { reason: reasonOf(error), message: messageOf(error) };
  }
}
