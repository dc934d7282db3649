import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import packageJson from '../../package.json' with { type: 'json' };
import { type ImageReference, parseImageReference } from '../../src/domain/image-reference.ts';
import { cacheDir, ROOT, readJson } from '../lib/paths.mjs';
import { type Architecture, ownArchitecture } from './architecture.ts';
import { type DebianPackage, ensurePackages } from './debian.ts';
import { ensureLayer, type Layer, type LayerSource } from './layer.ts';
import { fillNode, lockedNode } from './npm-package.ts';
import { writeImage } from './oci.ts';
import { fillPrograms } from './program-layer.ts';
import { step } from './step.ts';
import { fillSystem } from './system-layer.ts';
import { listFiles } from './tree.ts';

/** What the manifests in `config` call the image. */
export const DEFAULT_TAG = `${packageJson.name}:${packageJson.version}`;
export const DEFAULT_MIRROR = 'http://deb.debian.org/debian';

/** All is optional. */
export interface BuildOptions {
  /** That of this machine by default. */
  readonly architecture?: Architecture;
  /** Name and tag of the image, `twinslot:0.1.0` by default. */
  readonly tag?: string;
  /** Where the image is wanted; in the cache by default. */
  readonly output?: string;
  readonly mirror?: string;
  /** Debian's lists are read again when they are older than that; a week by default. */
  readonly maxPackageAgeMs?: number;
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

const WEEK_MS = 7 * 24 * 3600_000;
const KEPT_FILES = 6;

/**
 * The container image of this checkout. It is made when something that goes into it has changed, and comes from the
 * cache otherwise, within a second. Neither root nor a container runtime is needed. Slow steps are told on stderr.
 * @throws SetUpError with the way out, StalledError `ReferenceInvalid` if `tag` is none
 */
export async function buildProductImage(options: BuildOptions = {}): Promise<BuiltImage> {
  const architecture = options.architecture ?? ownArchitecture();
  const reference = parseImageReference(options.tag ?? DEFAULT_TAG, '--tag');
  const cache = join(cacheDir(), 'product-image');
  const packages = await ensurePackages({
    ...{ cache: join(cache, 'debian'), architecture, mirror: options.mirror ?? DEFAULT_MIRROR },
    maxAgeMs: options.maxPackageAgeMs ?? WEEK_MS,
  });
  const layers = await describeLayers(architecture, packages, cache);
  const image = await ensureImage({ architecture, reference, layers, cache });
  return options.output === undefined ? image : copyImage(image, options.output);
}

/** From what changes least to what changes most. */
async function describeLayers(
  architecture: Architecture,
  packages: readonly DebianPackage[],
  cache: string,
): Promise<LayerSource[]> {
  const recipe = await hashFiles(['tools/image']);
  const system = packages.map(({ digest }) => digest);
  const node = lockedNode(architecture);
  return [
    {
      name: 'system',
      key: hash([architecture, recipe, ...system]),
      fill: root => fillSystem(root, packages, architecture),
    },
    {
      name: 'node',
      key: hash([recipe, node.name, node.version, node.integrity]),
      fill: root => fillNode(root, architecture, join(cache, 'npm')),
    },
    {
      name: 'programs',
      key: hash([recipe, await hashFiles(['src', 'config', 'package.json', 'package-lock.json', 'LICENSE'])]),
      fill: fillPrograms,
    },
  ];
}

interface ImagePlan {
  readonly architecture: Architecture;
  readonly reference: ImageReference;
  readonly layers: readonly LayerSource[];
  readonly cache: string;
}

async function ensureImage({ architecture, reference, layers, cache }: ImagePlan): Promise<BuiltImage> {
  const fullName = `${reference.host}/${reference.repository}:${reference.tag}`;
  const folder = join(cache, 'images');
  const path = join(folder, `${architecture}-${hash([fullName, ...layers.map(({ key }) => key)])}.tar`);
  const known = Facts.safeParse(readJson(`${path}.json`));
  if (known.success && (await stat(path).catch(() => undefined))?.size === known.data.bytes) {
    await utimes(path, new Date(), new Date());
    return { ...known.data, path };
  }
  const built: { name: string; layer: Layer }[] = [];
  for (const source of layers) {
    const layer = await step(`layer ${source.name}`, () => ensureLayer(join(cache, 'layers'), source));
    built.push({ name: source.name, layer });
  }
  const digest = await step('image', () =>
    writeImage(path, { architecture, reference, version: packageJson.version, layers: built }),
  );
  const unpackedBytes = built.reduce((sum, { layer }) => sum + layer.unpackedBytes, 0);
  const facts = { reference: fullName, digest, bytes: (await stat(path)).size, unpackedBytes };
  await writeFile(`${path}.json`, JSON.stringify(facts));
  await Promise.all([removeOld(folder), removeOld(join(cache, 'layers'))]);
  return { ...facts, path };
}

async function copyImage(image: BuiltImage, output: string): Promise<BuiltImage> {
  await mkdir(dirname(output), { recursive: true });
  await copyFile(image.path, `${output}.${process.pid}`);
  await rename(`${output}.${process.pid}`, output);
  return { ...image, path: output };
}

/** Each change of the sources makes another file: those that were not used for a day go, except the newest. */
async function removeOld(folder: string): Promise<void> {
  const files = (await readdir(folder)).filter(file => /\.tar(\.gz)?$/.test(file));
  const aged = await Promise.all(
    files.map(async file => ({ file, usedMs: (await stat(join(folder, file))).mtimeMs })),
  );
  const dayAgoMs = Date.now() - 24 * 3600_000;
  const old = aged.sort((a, b) => b.usedMs - a.usedMs).slice(KEPT_FILES);
  for (const { file, usedMs } of old) {
    if (usedMs > dayAgoMs) continue;
    await rm(join(folder, file), { force: true });
  }
}

/** One hash over names and contents of files, and of all files in folders, of the checkout. */
async function hashFiles(paths: readonly string[]): Promise<string> {
  const parts: string[] = [];
  for (const path of paths) {
    const full = join(ROOT, path);
    const isFolder = (await stat(full)).isDirectory();
    const files = isFolder ? (await listFiles(full)).map(file => join(full, file)) : [full];
    for (const file of files) parts.push(file.slice(ROOT.length), hash([await readFile(file, 'utf8')]));
  }
  return hash(parts);
}

function hash(parts: readonly string[]): string {
  const whole = createHash('sha256');
  for (const part of parts) whole.update(`${part.length}:${part}`);
  return whole.digest('hex').slice(0, 32);
}
