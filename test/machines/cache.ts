import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir } from '../../tools/lib/paths.mjs';

const KEPT_FOR_MS = 24 * 3_600_000;

/** Where the parts of emulated machines are kept between runs. */
export const machineCacheDir = (): string => join(cacheDir(), 'machines');

/**
 * Folder that `make` filled once for these `inputs` (JSON). It appears by one rename, so that an interrupted making
 * leaves nothing behind; what was made of other inputs under the same name and not used for a day is removed.
 */
export async function cached(
  name: string,
  inputs: unknown,
  make: (dir: string) => Promise<void>,
): Promise<string> {
  const key = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 12);
  const finished = join(machineCacheDir(), `${name}-${key}`);
  if (!existsSync(finished)) {
    await mkdir(machineCacheDir(), { recursive: true });
    const work = await mkdtemp(join(machineCacheDir(), 'making-'));
    try {
      await make(work);
      await rename(work, finished).catch((error: unknown) => {
        // Someone else was quicker.
        if (!existsSync(finished)) throw error;
      });
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    await removeOutdated(name, finished);
  }
  const now = new Date();
  await utimes(finished, now, now);
  return finished;
}

async function removeOutdated(name: string, finished: string): Promise<void> {
  for (const entry of await readdir(machineCacheDir())) {
    const path = join(machineCacheDir(), entry);
    const isSameKind = entry.replace(/-[0-9a-f]{12}$/, '') === name;
    if (!isSameKind || path === finished) continue;
    const found = await stat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > KEPT_FOR_MS) await rm(path, { recursive: true, force: true });
  }
}
