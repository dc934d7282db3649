import { open, realpath } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import { errnoOf } from '../domain/errno.ts';
import { StalledError } from '../domain/errors.ts';

/** The field of the image that names a file; messages use it. */
export type CertField = 'caCert' | 'clientCert' | 'clientKey';

/** The folder that the names of certificates mean. */
export interface CertFolder {
  /** As this process opens it. */
  readonly path: string;
  /** As it is called on the node, for messages. */
  readonly shown: string;
}

/** A file of the certificate folder. */
export interface CertFile {
  readonly field: CertField;
  readonly name: string;
  readonly bytes: Buffer;
  /** Others than its owner and group may read it. */
  readonly isWorldReadable: boolean;
}

/** Much larger than any bundle of authorities; something else would fill the memory. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Tells whether a name is that of a file right in a folder: no path, and not hidden in one. */
const isPlainFileName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);

/**
 * Reads a file of the certificate folder.
 * @throws StalledError `CertificateInvalid` if the name leaves the folder or the file cannot be read
 */
export async function readCertFile(folder: CertFolder, field: CertField, name: string): Promise<CertFile> {
  if (!isPlainFileName(name)) {
    throw certificateInvalid(`${field} ${JSON.stringify(name)} must be a plain file name in ${folder.shown}`);
  }
  const path = join(folder.path, name);
  try {
    const [real, dir] = [await realpath(path), await realpath(folder.path)];
    // Kubernetes mounts files as links within their folder; a link out of it is somebody's trick.
    if (!real.startsWith(dir + sep))
      throw certificateInvalid(`${field} ${name} leads out of ${folder.shown}`);
    return { field, name, ...(await readSmall(real)) };
  } catch (cause) {
    if (cause instanceof StalledError) throw cause;
    throw certificateInvalid(`${field} ${name} ${unreadable(cause)} ${folder.shown} on the node`, cause);
  }
}

async function readSmall(path: string): Promise<Pick<CertFile, 'bytes' | 'isWorldReadable'>> {
  const handle = await open(path, 'r');
  try {
    const { mode, size } = await handle.stat();
    if (size > MAX_BYTES) throw certificateInvalid(`${basename(path)} is too large for a certificate`);
    return { bytes: await handle.readFile(), isWorldReadable: (mode & 0o004) !== 0 };
  } finally {
    await handle.close();
  }
}

function unreadable(error: unknown): string {
  if (errnoOf(error) === 'ENOENT') return 'is not there: put it into';
  if (errnoOf(error) === 'EISDIR') return 'is a folder: name a file right in';
  return 'cannot be read: see its rights in';
}

/** The refusal that every problem with a certificate ends in. */
export const certificateInvalid = (message: string, cause?: unknown): StalledError =>
  new StalledError('CertificateInvalid', message, cause === undefined ? {} : { cause });
