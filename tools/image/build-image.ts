import { copyFile, mkdir, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import packageJson from '../../package.json' with { type: 'json' };
import { type ImageReference, parseImageReference } from '../../src/domain/image-reference.ts';
import { readJson } from '../lib/paths.mjs';
import { SetUpError } from '../lib/steps.mjs';
import { type Architecture, ownArchitecture } from './architecture.ts';
import { hash, hashFiles } from './hash.ts';
import { ensureLayer, type Layer, type LayerSource } from './layer.ts';
import { describeLayers, imageCache, type LayerOptions } from './layers.ts';
import { writeImage } from './oci.ts';
import { removeOld } from './remove-old.ts';
import { step } from './step.ts';

/** What the manifests in `config` call the image. */
export const DEFAULT_TAG = `${packageJson.name}:${packageJson.version}`;

/** All is optional. */
export interface BuildOptions extends LayerOptions {
  /** That of this machine by default. */
  readonly architecture?: Architecture;
  /** Name and tag of the image, `twinslot:0.1.0` by default. */
  readonly tag?: string;
  /** Where the image is wanted; in the cache by default. */
  readonly output?: string;
}

const Facts = z.object({
  /** In full, as container runtimes call it: `docker.io/library/twinslot:0.1.0`. */
  reference: z.string(),
  /** Of the manifest. */
  digest: z.string(),
  /** Length of the file, compressed layers and all. */
  bytes: z.number(),
  /** What it takes on a node once it is unpacked. */
  unpackedBytes: z.number(),
});

/** A container image in one file, an OCI layout in a tar. */
export type BuiltImage = z.infer<typeof Facts> & { readonly path: string };

/**
 * The container image of this checkout. It is made when something that goes into it has changed, and comes from the
 * cache otherwise, within a second. Neither root nor a container runtime is needed. Slow steps are told on stderr.
 * @throws SetUpError with the way out, StalledError `ReferenceInvalid` if `tag` is none
 */
export async function buildProductImage(options: BuildOptions = {}): Promise<BuiltImage> {
  const architecture = options.architecture ?? ownArchitecture();
  const reference = parseImageReference(options.tag ?? DEFAULT_TAG, '--tag');
  if (reference.digest !== undefined)
    throw new SetUpError([
      '--tag has a digest, which the image gets by being built: give name and tag alone',
    ]);
  const layers = await describeLayers(architecture, options);
  const image = await ensureImage({ architecture, reference, layers });
  return options.output === undefined ? image : copyImage(image, options.output);
}

interface ImagePlan {
  readonly architecture: Architecture;
  readonly reference: ImageReference;
  readonly layers: readonly LayerSource[];
}

async function ensureImage({ architecture, reference, layers }: ImagePlan): Promise<BuiltImage> {
  const fullName = `${reference.host}/${reference.repository}:${reference.tag}`;
  const folder = join(imageCache(), 'images');
  const key = hash([fullName, await hashFiles(['tools/image']), ...layers.map(layer => layer.key)]);
  const path = join(folder, `${architecture}-${key}.tar`);
  const known = Facts.safeParse(readJson(`${path}.json`));
  if (known.success && (await stat(path).catch(() => undefined))?.size === known.data.bytes) {
    await utimes(path, new Date(), new Date());
    return { ...known.data, path };
  }
  const built: { name: string; layer: Layer }[] = [];
  for (const source of layers) {
    const layer = await step(`layer ${source.name}`, () => ensureLayer(join(imageCache(), 'layers'), source));
    built.push({ name: source.name, layer });
  }
  const digest = await step('image', () =>
    writeImage(path, { architecture, reference, version: packageJson.version, layers: built }),
  );
  const unpackedBytes = built.reduce((sum, { layer }) => sum + layer.unpackedBytes, 0);
  const facts = { reference: fullName, digest, bytes: (await stat(path)).size, unpackedBytes };
  await writeFile(`${path}.json`, JSON.stringify(facts));
  await Promise.all([removeOld(folder), removeOld(join(imageCache(), 'layers'))]);
  return { ...facts, path };
}

async function copyImage(image: BuiltImage, output: string): Promise<BuiltImage> {
  await mkdir(dirname(output), { recursive: true });
  await copyFile(image.path, `${output}.${process.pid}`);
  await rename(`${output}.${process.pid}`, output);
  return { ...image, path: output };
}
