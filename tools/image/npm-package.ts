import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ROOT, readJson } from '../lib/paths.mjs';
import { SetUpError } from '../lib/steps.mjs';
import { type Architecture, nodePackage } from './architecture.ts';
import { runCommand } from './command.ts';
import { plainModes } from './tree.ts';

const Locked = z.object({ version: z.string(), integrity: z.string() });

/** Name, version and checksum of the npm package that brings Node, from package-lock.json. */
export function lockedNode(architecture: Architecture) {
  const name = nodePackage(architecture);
  const lock = z.object({ packages: z.record(z.string(), z.unknown()) });
  const { packages } = lock.parse(readJson(join(ROOT, 'package-lock.json')));
  return { name, ...Locked.parse(packages[`node_modules/${name}`]) };
}

/** Fills the layer that holds Node: the program alone, and its licence. */
export async function fillNode(root: string, architecture: Architecture, cache: string): Promise<void> {
  const folder = await ensureNode(architecture, cache);
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  await mkdir(join(root, 'usr/share/doc/nodejs'), { recursive: true });
  await copyFile(join(folder, 'bin/node'), join(root, 'usr/bin/node'));
  await copyFile(join(folder, 'LICENSE'), join(root, 'usr/share/doc/nodejs/copyright'));
  await plainModes(root);
}

/** Folder of the npm package: the one that is installed, or, for another processor, one that is fetched. */
async function ensureNode(architecture: Architecture, cache: string): Promise<string> {
  const { name, version, integrity } = lockedNode(architecture);
  const installed = join(ROOT, 'node_modules', name);
  if (readJson(join(installed, 'package.json'))?.version === version) return installed;
  const fetched = join(cache, `${name}-${version}`);
  if (readJson(join(fetched, 'package.json'))?.version === version) return fetched;
  await mkdir(cache, { recursive: true });
  const temp = await mkdtemp(join(cache, 'temp-'));
  try {
    await fetchPackage({ name, version, integrity }, temp);
    await rm(fetched, { recursive: true, force: true });
    await rename(join(temp, 'package'), fetched);
    return fetched;
  } finally {
    await rm(temp, { recursive: true, force: true });
  }
}

interface LockedPackage {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

async function fetchPackage({ name, version, integrity }: LockedPackage, temp: string): Promise<void> {
  const wayOut = 'look at the network and `npm config get registry`, then try again';
  const npm = process.env.npm_execpath ?? '';
  const command = npm.endsWith('npm-cli.js') ? [process.execPath, npm] : ['npm'];
  const pack = [...command, 'pack', `${name}@${version}`, '--ignore-scripts', '--loglevel=error'];
  await runCommand([...pack, '--pack-destination', temp], { wayOut, cwd: ROOT });
  const file = join(temp, `${name}-${version}.tgz`);
  const [algorithm = ''] = integrity.split('-');
  const found = createHash(algorithm)
    .update(await readFile(file))
    .digest('base64');
  if (`${algorithm}-${found}` !== integrity)
    throw new SetUpError([`${name}@${version} is not what package-lock.json says (${integrity})`, wayOut]);
  await runCommand(['tar', '--extract', `--file=${file}`, '-C', temp], { wayOut });
}
