import { join } from 'node:path';

/** Where a path of the host lies for this process: below the folder in which the host's root is mounted. */
export const hostPath = (hostRoot: string, path: string): string => join(hostRoot, path);
