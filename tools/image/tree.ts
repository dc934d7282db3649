import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Paths of all files below a folder, relative to it, in the order of their names. */
export async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter(entry => !entry.isDirectory());
  return files.map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1)).sort();
}

/** Removes what a list names, whether it is there or not. */
export const removeAll = async (root: string, paths: readonly string[]): Promise<void> => {
  await Promise.all(paths.map(path => rm(join(root, path), { recursive: true, force: true })));
};

/**
 * Gives all that lies in a folder one of two modes, whatever the umask was: 0755 for folders and programs, 0644 for
 * the rest. No program keeps a set-user bit: nobody in a container may become root by one.
 */
export async function plainModes(root: string): Promise<void> {
  await chmod(root, 0o755);
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mode } = await lstat(path);
    await chmod(path, entry.isDirectory() || (mode & 0o100) !== 0 ? 0o755 : 0o644);
  }
}
