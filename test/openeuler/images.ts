import { copyFile, mkdtemp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { buildImage, buildRootTar, checksumOf, type Image, type ImageParameters } from '../env/images.ts';
import { runProgram } from '../env/node/run-program.ts';

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

/** How an image is packed for its way. */
export type Packing = 'plain' | 'gz' | 'xz' | 'zst';

/** A file as it is put onto a server. */
export interface PackedImage {
  readonly path: string;
  /** 64 hex digits. */
  readonly checksum: string;
}

/** Packs a copy of a file in `dir`. */
export async function pack(file: string, packing: Packing, dir: string): Promise<PackedImage> {
  const plain = join(await mkdtemp(join(dir, `${packing}-`)), basename(file));
  await copyFile(file, plain);
  if (packing === 'gz') await runProgram('gzip', '-1', plain);
  if (packing === 'xz') await runProgram('xz', '-0', plain);
  if (packing === 'zst') await runProgram('zstd', '-1', '-q', '--rm', plain);
  const path = packing === 'plain' ? plain : `${plain}.${packing}`;
  return { path, checksum: (await checksumOf(path)).slice('sha256:'.length) };
}
