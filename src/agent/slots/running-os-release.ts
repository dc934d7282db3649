import { readFile, readlink } from 'node:fs/promises';
import { hostPath } from '../host/host-path.ts';
import type { OsRelease } from '../ports.ts';
import { OS_RELEASE_FILES, parseOsRelease } from './os-release.ts';

/**
 * What the running system calls itself: an overlay may show another file than its slot holds. Undefined where the
 * host's root shows none.
 */
export async function readRunningOsRelease(hostRoot: string): Promise<OsRelease | undefined> {
  for (const file of OS_RELEASE_FILES) {
    const text = await readFile(await onHost(hostRoot, file), 'utf8').catch(() => undefined);
    if (text !== undefined) return parseOsRelease(text);
  }
  return undefined;
}

/** An absolute link means the host's root: followed as it stands, it would lead to the agent's own system. */
async function onHost(hostRoot: string, file: string): Promise<string> {
  const path = hostPath(hostRoot, file);
  const target = await readlink(path).catch(() => '');
  return target.startsWith('/') ? hostPath(hostRoot, target) : path;
}
