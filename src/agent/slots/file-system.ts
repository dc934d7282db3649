import { posix } from 'node:path';
import { run } from '../host/run.ts';

const LIMIT_MS = 10_000;
/** As many as Linux follows before it gives up. */
const MAX_LINKS = 40;

type Entry =
  | { readonly type: 'missing' }
  | { readonly type: 'other' }
  | { readonly type: 'link'; readonly target: string };

/**
 * Reads a text file of an ext4 file system that is not mounted. Symbolic links are followed inside it.
 * @returns undefined if there is no such file, or no file system
 */
export async function readFileInside(device: string, path: string): Promise<string | undefined> {
  const real = await resolveInside(device, path);
  if (real === undefined) return undefined;
  const { code, stdout, stderr } = await debugfs(device, `cat "${real}"`);
  return code === 0 && !isComplaint(stderr) ? stdout : undefined;
}

/** Tells whether a path exists in an ext4 file system that is not mounted. */
export const existsInside = async (device: string, path: string): Promise<boolean> =>
  (await resolveInside(device, path)) !== undefined;

/** Follows symbolic links as they mean inside the file system; undefined if the end of them is not there. */
async function resolveInside(device: string, path: string): Promise<string | undefined> {
  let at = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    const entry = await lookUp(device, at);
    if (entry.type === 'missing') return undefined;
    if (entry.type === 'other') return at;
    at = posix.resolve(posix.dirname(at), entry.target);
  }
  return undefined;
}

async function lookUp(device: string, path: string): Promise<Entry> {
  // debugfs has no way to write a quote inside a quoted name.
  if (/["\n]/.test(path)) return { type: 'missing' };
  const { code, stdout } = await debugfs(device, `stat "${path}"`);
  const [, type] = /^Inode: \d+\s+Type: (\S+)/m.exec(stdout) ?? [];
  if (code !== 0 || type === undefined) return { type: 'missing' };
  if (type !== 'symlink') return { type: 'other' };
  const [, target] = /^Fast link dest: "(.*)"$/m.exec(stdout) ?? [];
  if (target !== undefined) return { type: 'link', target };
  // A target of 60 bytes and more lies in a block of its own.
  return { type: 'link', target: (await debugfs(device, `cat "${path}"`)).stdout };
}

const isComplaint = (stderr: string): boolean =>
  /^\w[\w ]*: (?!\d)/m.test(stderr.replace(/^debugfs \d.*$/m, ''));

/**
 * Does without the bitmaps (`-c`): after a power cut they match their checksums only when the journal was replayed, and
 * without that debugfs would not open a file system whose files are all there.
 */
const debugfs = (device: string, command: string) =>
  run(['debugfs', '-c', '-R', command, device], { timeoutMs: LIMIT_MS });
