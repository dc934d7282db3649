import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../domain/errno.ts';
import { messageOf, StalledError } from '../domain/errors.ts';
import type { CertificatePair } from '../tls/certificate-maker.ts';

const ENDINGS = { cert: 'crt', key: 'key' } as const;

/**
 * Reads `NAME.crt` and `NAME.key`. `undefined` if neither is there.
 * @throws StalledError `AuthorityUnfit` if one of them is missing or cannot be read
 */
export async function readPair(dir: string, name: string): Promise<CertificatePair | undefined> {
  const read = (ending: string): Promise<string | undefined> => {
    const path = join(dir, `${name}.${ending}`);
    return readFile(path, 'utf8').catch((cause: unknown) => {
      if (errnoOf(cause) === 'ENOENT') return undefined;
      throw new StalledError('AuthorityUnfit', `cannot read ${path}: ${messageOf(cause)}`, { cause });
    });
  };
  const [cert, key] = [await read(ENDINGS.cert), await read(ENDINGS.key)];
  if (cert === undefined && key === undefined) return undefined;
  if (cert !== undefined && key !== undefined) return { cert, key };
  const missing = join(dir, `${name}.${cert === undefined ? ENDINGS.cert : ENDINGS.key}`);
  throw new StalledError(
    'AuthorityUnfit',
    `${missing} is missing beside its other half: put it back, or take another folder`,
  );
}

/** @throws StalledError `FileExists` naming those that would be overwritten */
export async function assertAbsent(dir: string, names: readonly string[]): Promise<void> {
  const files = names.flatMap(name => Object.values(ENDINGS).map(ending => join(dir, `${name}.${ending}`)));
  const there: string[] = [];
  for (const file of files) if (await isThere(file)) there.push(file);
  if (there.length > 0) throw exists(there.join(', '));
}

/**
 * Writes each pair as `NAME.crt` and `NAME.key`, the key for the owner alone. Keys come first: whoever sees a
 * certificate finds its key.
 * @throws StalledError `FileExists` if a file came meanwhile and may not be replaced, `FileUnwritable`
 */
export async function writePairs(
  dir: string,
  pairs: ReadonlyMap<string, CertificatePair>,
  mayReplace: boolean,
): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    for (const [name, { cert, key }] of pairs) {
      await put(join(dir, `${name}.${ENDINGS.key}`), key, 0o600, mayReplace);
      await put(join(dir, `${name}.${ENDINGS.cert}`), cert, 0o644, mayReplace);
    }
  } catch (cause) {
    if (cause instanceof StalledError) throw cause;
    throw new StalledError('FileUnwritable', `cannot write to ${dir}: ${messageOf(cause)}`, { cause });
  }
}

/** Whole or not at all, and under its mode from the first byte on. */
async function put(path: string, text: string, mode: number, mayReplace: boolean): Promise<void> {
  const draft = `${path}.${process.pid}.new`;
  const handle = await open(draft, 'wx', mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
    await handle.close();
    if (mayReplace) await rename(draft, path);
    else await link(draft, path);
  } catch (error) {
    throw errnoOf(error) === 'EEXIST' ? exists(path) : error;
  } finally {
    await handle.close().catch(() => undefined);
    await rm(draft, { force: true });
  }
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

const exists = (files: string): StalledError =>
  new StalledError(
    'FileExists',
    `${files} would be overwritten: move them away, or give --force to replace them`,
  );
