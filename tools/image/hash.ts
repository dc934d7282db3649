import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../lib/paths.mjs';
import { listFiles } from './tree.ts';

/** A short name for what a list of texts says: 32 hex digits of SHA-256. */
export function hash(parts: readonly string[]): string {
  const whole = createHash('sha256');
  for (const part of parts) whole.update(`${part.length}:${part}`);
  return whole.digest('hex').slice(0, 32);
}

/** A hash over names and contents of files of the checkout, and of all files in its folders. */
export async function hashFiles(paths: readonly string[]): Promise<string> {
  const parts: string[] = [];
  for (const path of paths) {
    const full = join(ROOT, path);
    const isFolder = (await stat(full)).isDirectory();
    const files = isFolder ? (await listFiles(full)).map(file => join(full, file)) : [full];
    for (const file of files) parts.push(file.slice(ROOT.length), hash([await readFile(file, 'utf8')]));
  }
  return hash(parts);
}
