import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hostPath } from '../host/host-path.ts';
import { type MountEntry, parseMountInfo } from './mount-info.ts';

/** A mount that only the processes of some other mount namespace see, and one of them. */
export interface ForeignMount {
  readonly mountPoint: string;
  readonly pid: number;
  /** What the kernel calls it; empty if it has just ended. */
  readonly program: string;
}

/**
 * Looks for a mount in every mount namespace of the host: a container keeps what it was given after the host itself
 * has unmounted it.
 * @source namespaces(7), proc(5)
 */
export async function findForeignMount(
  hostRoot: string,
  isWanted: (mount: MountEntry) => boolean,
): Promise<ForeignMount | undefined> {
  const proc = hostPath(hostRoot, '/proc');
  const names = await readdir(proc).catch(() => []);
  const looked = new Set<string>();
  for (const pid of names.filter(name => /^\d+$/.test(name))) {
    const namespace = await readlink(join(proc, pid, 'ns/mnt')).catch(() => undefined);
    if (namespace === undefined || looked.has(namespace)) continue;
    looked.add(namespace);
    const table = await readFile(join(proc, pid, 'mountinfo'), 'utf8').catch(() => '');
    const mount = parseMountInfo(table).find(isWanted);
    if (mount === undefined) continue;
    const program = await readFile(join(proc, pid, 'comm'), 'utf8').catch(() => '');
    return { mountPoint: mount.mountPoint, pid: Number(pid), program: program.trim() };
  }
  return undefined;
}
