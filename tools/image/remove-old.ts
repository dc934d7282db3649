import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const KEPT_FILES = 6;
const IDLE_MS = 3 * 3600_000;

/**
 * Keeps a folder of the cache small, as each change of the sources makes another file: what nobody used for hours goes,
 * except the newest few. So does what a build that broke off left.
 */
export async function removeOld(folder: string): Promise<void> {
  const aged = await Promise.all(
    (await readdir(folder)).map(async file => ({ file, usedMs: await usedMs(folder, file) })),
  );
  const newest = aged.filter(({ file }) => /\.tar(\.gz)?$/.test(file)).sort((a, b) => b.usedMs - a.usedMs);
  const old = [...newest.slice(KEPT_FILES), ...aged.filter(({ file }) => file.includes('temp-'))];
  for (const { file, usedMs } of old) {
    if (usedMs > Date.now() - IDLE_MS) continue;
    for (const name of new Set([file, `${file}.json`, file.replace(/\.tar\.gz$/, '.json')]))
      await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Another build may have removed it meanwhile: then it is as old as can be. */
const usedMs = async (folder: string, file: string): Promise<number> =>
  (await stat(join(folder, file)).catch(() => undefined))?.mtimeMs ?? 0;
