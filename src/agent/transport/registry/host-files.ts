import { readdir, readFile, stat } from 'node:fs/promises';
import { errnoOf } from '../../../domain/errno.ts';
import { followLinks } from '../../host/follow-links.ts';

/** Files of the host, whose root this process may see mounted elsewhere. Paths are as this process opens them. */
export interface HostFiles {
  /** @throws what the system says */
  readText(path: string): Promise<string>;
  /** Names in a folder, sorted; none if it is missing. */
  readNames(dir: string): Promise<string[]>;
  isFolder(path: string): Promise<boolean>;
  /** A path as it is on the host, for messages. */
  shown(path: string): string;
}

/** @param hostRoot where the host's root is mounted: links of the host lead to places below it */
export function createHostFiles(hostRoot: string): HostFiles {
  const isBelow = (path: string) => hostRoot !== '/' && path.startsWith(`${hostRoot}/`);
  const real = async (path: string) =>
    isBelow(path) ? followLinks(hostRoot, path.slice(hostRoot.length)) : path;
  return {
    readText: async path => readFile(await real(path), 'utf8'),
    readNames: async dir => {
      try {
        return (await readdir(await real(dir))).toSorted();
      } catch (error) {
        if (isMissing(error)) return [];
        throw error;
      }
    },
    isFolder: async path => (await stat(await real(path)).catch(() => undefined))?.isDirectory() === true,
    shown: path => (isBelow(path) ? path.slice(hostRoot.length) : path),
  };
}

/** Tells whether the system says that there is no such file. */
export const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(errnoOf(error));
