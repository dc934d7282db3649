import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, mkdtemp, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { runProgram } from './node/run-program.ts';

const MIB = 1024 * 1024;
// Counts up when images are made in another way, so that old ones are not taken for new ones.
const RECIPE = 1;

/** What a demonstration system is made of. */
export interface ImageParameters {
  /** With or without `v`. */
  readonly version: string;
  /** Size of the expanded file system. Default 24. */
  readonly sizeMiB?: number;
  /** Default `Demo OS <version>`. */
  readonly prettyName?: string;
  /** Parts that a broken image lacks. */
  readonly without?: readonly ('kernel' | 'initrd' | 'os-release')[];
  /** It has what a trial guard needs, as far as can be seen without running it. Default false. */
  readonly systemd?: boolean;
  /** Random payload that does not compress. Default 4. */
  readonly fillMiB?: number;
  /** Label of the file system. Default none. */
  readonly label?: string;
  /** Whether ext4 has checksums over its metadata, superblock included. Default true. */
  readonly metadataChecksums?: boolean;
}

/** A system image: an ext4 file system as a plain file, and its zstd-compressed form. */
export interface Image {
  readonly version: string;
  readonly path: string;
  readonly zstPath: string;
  /** `sha256:<hex>` of the compressed file. */
  readonly checksum: string;
  /** `sha256:<hex>` of the plain file. */
  readonly rawChecksum: string;
  /** Of the plain file. */
  readonly sizeBytes: number;
}

/**
 * Makes a system image without root's help, or takes the one that was made earlier from the same parameters out of
 * `dir`. Two processes may ask at once: a finished image appears by one rename.
 */
export async function buildImage(parameters: ImageParameters, dir = imageCacheDir()): Promise<Image> {
  const name = `${parameters.version}-${keyOf(parameters)}`;
  return findOrMake({ dir, name, file: 'rootfs.ext4', version: parameters.version }, async (tree, path) => {
    await writeTree(tree, parameters);
    await makeFileSystem(path, { ...parameters, sizeMiB: parameters.sizeMiB ?? 24, tree });
  });
}

/** A tar of a root file system, as KubeOS ships it: a plain file, and its zstd-compressed form. */
export type RootTar = Image;

/**
 * Makes a tar of the tree that `buildImage` puts into a file system, with members `./…` owned by root, or takes the one
 * that was made earlier. File systems' own parameters do not count.
 */
export async function buildRootTar(parameters: ImageParameters, dir = imageCacheDir()): Promise<RootTar> {
  const name = `${parameters.version}-tar-${keyOf(parameters)}`;
  return findOrMake({ dir, name, file: 'rootfs.tar', version: parameters.version }, async (tree, path) => {
    await writeTree(tree, parameters);
    await runProgram('tar', '-C', tree, '--owner=0', '--group=0', '--numeric-owner', '-cf', path, '.');
  });
}

/** Where images are kept between runs, outside the checkout. */
export const imageCacheDir = (): string =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'twinslot', 'images');

/** `sha256:<hex>` of a file. */
export async function checksumOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

type Facts = Pick<Image, 'checksum' | 'rawChecksum' | 'sizeBytes'>;

/** Where something is kept, and what it is called. */
interface Kept {
  readonly dir: string;
  readonly name: string;
  readonly file: string;
  readonly version: string;
}

/** Makes a file from a tree of which nothing is left in the end. */
type Make = (tree: string, path: string) => Promise<void>;

const keyOf = (parameters: ImageParameters): string =>
  createHash('sha256')
    .update(JSON.stringify([RECIPE, parameters]))
    .digest('hex')
    .slice(0, 12);

async function findOrMake(kept: Kept, make: Make): Promise<Image> {
  const finished = join(kept.dir, kept.name);
  if (!(await exists(join(finished, 'image.json')))) await makeInto(finished, kept, make);
  const facts: Facts = JSON.parse(await readFile(join(finished, 'image.json'), 'utf8'));
  const path = join(finished, kept.file);
  return { version: kept.version, path, zstPath: `${path}.zst`, ...facts };
}

async function makeInto(finished: string, { dir, file }: Kept, make: Make): Promise<void> {
  await mkdir(dir, { recursive: true });
  const work = await mkdtemp(join(dir, 'making-'));
  try {
    const [tree, path] = [join(work, 'tree'), join(work, file)];
    await make(tree, path);
    await runProgram('zstd', '-3', '-q', path);
    const facts: Facts = {
      checksum: await checksumOf(`${path}.zst`),
      rawChecksum: await checksumOf(path),
      sizeBytes: (await stat(path)).size,
    };
    await rm(tree, { recursive: true });
    await writeFile(join(work, 'image.json'), JSON.stringify(facts));
    await rename(work, finished).catch(error => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Makes an ext4 file system in a plain file, filled from the folder `tree` if there is one. */
export async function makeFileSystem(
  path: string,
  options: { sizeMiB: number; tree?: string; label?: string; metadataChecksums?: boolean },
): Promise<void> {
  await writeFile(path, '');
  await truncate(path, options.sizeMiB * MIB);
  const features = options.metadataChecksums === false ? '^metadata_csum' : 'metadata_csum';
  const from = options.tree === undefined ? [] : ['-d', options.tree];
  const label = options.label ?? '';
  await runProgram('mkfs.ext4', '-q', '-F', '-O', features, '-L', label, '-m', '0', ...from, path);
}

async function writeTree(tree: string, parameters: ImageParameters): Promise<void> {
  for (const folder of ['boot', 'etc', 'usr/lib', 'usr/share']) {
    await mkdir(join(tree, folder), { recursive: true });
  }
  const payload = randomBytes((parameters.fillMiB ?? 4) * MIB);
  const digest = createHash('sha256').update(payload).digest('hex');
  await writeFile(join(tree, 'usr/share/payload'), payload);
  await writeFile(join(tree, 'usr/share/payload.sha256'), digest);
  const lacks = new Set(parameters.without ?? []);
  if (!lacks.has('kernel')) await writeFile(join(tree, 'boot/vmlinuz'), randomBytes(64 * 1024));
  if (!lacks.has('initrd')) await writeFile(join(tree, 'boot/initramfs.img'), randomBytes(256 * 1024));
  if (parameters.systemd === true) {
    for (const file of ['usr/lib/systemd/systemd', 'bin/sh', 'bin/sleep']) {
      await mkdir(dirname(join(tree, file)), { recursive: true });
      await writeFile(join(tree, file), '');
    }
  }
  if (!lacks.has('os-release')) await writeFile(join(tree, 'etc/os-release'), osReleaseText(parameters));
}

/** The text of `/etc/os-release` of a demonstration system. */
export function osReleaseText({ version, prettyName }: { version: string; prettyName?: string }): string {
  const number = version.replace(/^v/, '');
  const pretty = prettyName ?? `Demo OS ${number}`;
  return `NAME="Demo OS"\nID=demo-os\nVERSION_ID=${number}\nPRETTY_NAME="${pretty}"\n`;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
