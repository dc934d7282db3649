import { join } from 'node:path';
import { cacheDir } from '../lib/paths.mjs';
import type { Architecture } from './architecture.ts';
import { ensurePackages } from './debian.ts';
import { hash, hashFiles } from './hash.ts';
import type { LayerSource } from './layer.ts';
import { fillNode, lockedNode } from './npm-package.ts';
import { fillPrograms } from './program-layer.ts';
import { fillSystem } from './system-layer.ts';

export const DEFAULT_MIRROR = 'http://deb.debian.org/debian';
const WEEK_MS = 7 * 24 * 3600_000;

/** What decides, besides a layer's own file, how it is made. */
const PACKING = ['layer.ts', 'tree.ts', 'command.ts', 'architecture.ts'];
const OUR_FILES = ['src', 'config', 'package.json', 'package-lock.json', 'LICENSE'];

/** Where the packages of Debian come from. */
export interface LayerOptions {
  /** Address of a mirror of Debian. */
  readonly mirror?: string;
  /** Debian's lists are read again when they are older than that; a week by default. */
  readonly maxPackageAgeMs?: number;
}

/** Folder of what is slow to fetch or to make. */
export const imageCache = (): string => join(cacheDir(), 'product-image');

/** What the image consists of, from what changes least to what changes most. Packages of Debian are fetched. */
export async function describeLayers(
  architecture: Architecture,
  { mirror = DEFAULT_MIRROR, maxPackageAgeMs = WEEK_MS }: LayerOptions = {},
): Promise<LayerSource[]> {
  const packages = await ensurePackages({
    ...{ cache: join(imageCache(), 'debian'), architecture, mirror, maxAgeMs: maxPackageAgeMs },
  });
  const recipe = (file: string) => hashFiles([...PACKING, file].map(name => `tools/image/${name}`));
  const node = lockedNode(architecture);
  return [
    {
      name: 'system',
      key: hash([architecture, await recipe('system-layer.ts'), ...packages.map(({ digest }) => digest)]),
      fill: root => fillSystem(root, packages, architecture),
    },
    {
      name: 'node',
      key: hash([await recipe('npm-package.ts'), node.name, node.version, node.integrity]),
      fill: root => fillNode(root, architecture, join(imageCache(), 'npm')),
    },
    {
      name: 'programs',
      key: hash([await recipe('program-layer.ts'), await hashFiles(OUR_FILES)]),
      fill: fillPrograms,
    },
  ];
}
