import { buildImage, buildRootTar, type Image, type ImageParameters } from '../env/images.ts';

/** Small on purpose: what is tested is how images travel, not how long they take. */
export const SIZES = { sizeMiB: 8, fillMiB: 1 } as const;
/** Size of the nodes' slots. */
export const SLOT_MIB = 16;

/** PRETTY_NAME of a release, which is what `spec.osversion` names. */
export const nameOf = (version: string): string => `KubeOS ${version}`;

/** A raw partition image of a release. */
export const partitionImage = (version: string, change: Partial<ImageParameters> = {}): Promise<Image> =>
  buildImage({ version, prettyName: nameOf(version), ...SIZES, ...change });

/** A tar of the root file system of a release. */
export const rootTar = (version: string, change: Partial<ImageParameters> = {}): Promise<Image> =>
  buildRootTar({ version, prettyName: nameOf(version), fillMiB: SIZES.fillMiB, ...change });
