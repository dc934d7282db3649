import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'twinslot-';
const dirs = new Set<string>();

// One listener for all of them: Node takes many for a leak.
process.once('exit', () => {
  for (const dir of dirs) removeTempDir(dir);
});

/** A new folder for `what`, removed when this process ends. What earlier, killed processes left is removed first. */
export function makeTempDir(what: string): string {
  removeLeftovers();
  const dir = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-${what}-`));
  dirs.add(dir);
  return dir;
}

/** Removes a folder made by {@link makeTempDir} now; `TWINSLOT_KEEP=1` keeps it, to read its logs. */
export function removeTempDir(dir: string): void {
  dirs.delete(dir);
  if (process.env.TWINSLOT_KEEP === '1') return;
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}

function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    } catch {
      // Another user's: theirs to remove.
    }
  }
}
