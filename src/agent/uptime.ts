import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../domain/clock.ts';

/**
 * Milliseconds since the host's machine started; since this was made, where the host does not tell. A clock that
 * somebody sets does not change it.
 */
export function createUptime(hostRoot: string, clock: Clock): () => Promise<number> {
  const startedMs = clock.monotonicMs();
  return async () => {
    const text = await readFile(join(hostRoot, '/proc/uptime'), 'utf8').catch(() => '');
    const seconds = Number.parseFloat(text);
    return Number.isFinite(seconds) ? seconds * 1000 : clock.monotonicMs() - startedMs;
  };
}
