import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { z } from 'zod';
import { readJson } from '../lib/paths.mjs';
import { SetUpError } from '../lib/steps.mjs';
import { plainEnvironment } from './command.ts';

const LayerFacts = z.object({
  /** Digest of the compressed blob, and its length. */
  digest: z.string(),
  bytes: z.number(),
  /** Digest and length of the tar before it was compressed. */
  diffId: z.string(),
  unpackedBytes: z.number(),
});

/** A layer of the image: a gzip-compressed tar. */
export type Layer = z.infer<typeof LayerFacts> & { readonly path: string };

/** Where a layer comes from. */
export interface LayerSource {
  readonly name: string;
  /** Hash of everything that decides what is in it. */
  readonly key: string;
  /** Puts its files into an empty folder. Modes and names count; owners and times do not. */
  readonly fill: (root: string) => Promise<void>;
}

/** A layer from the cache, or made now. It appears in the cache whole or not at all. */
export async function ensureLayer(cache: string, { name, key, fill }: LayerSource): Promise<Layer> {
  const base = join(cache, `${name}-${key}`);
  const known = LayerFacts.safeParse(readJson(`${base}.json`));
  if (known.success && (await stat(`${base}.tar.gz`).catch(() => undefined))?.size === known.data.bytes) {
    await utimes(`${base}.tar.gz`, new Date(), new Date());
    return { ...known.data, path: `${base}.tar.gz` };
  }
  await mkdir(cache, { recursive: true });
  const temp = await mkdtemp(join(cache, 'temp-'));
  try {
    const root = join(temp, 'root');
    await mkdir(root);
    await fill(root);
    const facts = await pack(root, join(temp, 'layer.tar.gz'));
    await writeFile(join(temp, 'facts.json'), JSON.stringify(facts));
    await rename(join(temp, 'layer.tar.gz'), `${base}.tar.gz`);
    await rename(join(temp, 'facts.json'), `${base}.json`);
    return { ...facts, path: `${base}.tar.gz` };
  } finally {
    await rm(temp, { recursive: true, force: true });
  }
}

/** Packs a folder so that the same files make the same bytes, whoever packs them and when. */
export async function pack(root: string, path: string): Promise<z.infer<typeof LayerFacts>> {
  const { tar, ended } = startTar(root);
  const [plain, packed] = [meter(), meter()];
  // What it makes depends on the version of zlib, which is that of the Node in package-lock.json. The best level would
  // take twice the time for 0.3 %.
  const gzip = createGzip({ level: 6 });
  await Promise.all([pipeline(tar, plain.stream, gzip, packed.stream, createWriteStream(path)), ended]);
  const [inside, outside] = [plain.result(), packed.result()];
  return {
    ...{ digest: outside.digest, bytes: outside.bytes },
    ...{ diffId: inside.digest, unpackedBytes: inside.bytes },
  };
}

/** A tar of a folder that depends on names, modes and contents alone. */
export function startTar(root: string) {
  const args = ['--create', '--format=gnu', '--sort=name', '--mtime=@0', '--owner=0', '--group=0'];
  const child = spawn('tar', [...args, '--numeric-owner', '--no-acls', '--no-xattrs', '-C', root, '.'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: plainEnvironment(),
  });
  const ended = once(child, 'close').then(([code]) => {
    if (code !== 0) throw new SetUpError([`tar ended with ${code} on ${root}`]);
  });
  return { tar: child.stdout, ended };
}

function meter() {
  const hash = createHash('sha256');
  let bytes = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding: string, done: TransformCallback) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  return { stream, result: () => ({ digest: `sha256:${hash.digest('hex')}`, bytes }) };
}

/** Digest of a small blob. */
export const digestOf = (content: string | Buffer): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`;

/** Digest of a file. */
export const digestOfFile = async (path: string): Promise<string> => digestOf(await readFile(path));
