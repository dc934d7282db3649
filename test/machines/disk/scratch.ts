import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Lends the path of a file in a new folder that is removed afterwards. The file is not there yet. */
export async function withScratchFile<T>(use: (file: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), `twinslot-${process.pid}-disk-`));
  try {
    return await use(join(dir, 'file'));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
