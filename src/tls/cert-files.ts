import { readFile, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { StalledError } from '../domain/errors.ts';

/** The field of the image that names a file; messages use it. */
export type CertField = 'caCert' | 'clientCert' | 'clientKey';

/** Tells whether a name is that of a file right in a folder: no path, and not hidden in one. */
export const isPlainFileName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);

/**
 * Reads a file of the certificate folder.
 * @throws StalledError `CertificateInvalid` if the name leaves the folder or the file cannot be read
 */
export async function readCertFile(certDir: string, field: CertField, name: string): Promise<string> {
  if (!isPlainFileName(name)) {
    throw certificateInvalid(`${field} ${JSON.stringify(name)} must be a plain file name in ${certDir}`);
  }
  const path = join(certDir, name);
  try {
    const [real, folder] = [await realpath(path), await realpath(certDir)];
    // Kubernetes mounts files as links within their folder; a link out of it is somebody's trick.
    if (!real.startsWith(folder + sep)) throw certificateInvalid(`${field} ${name} leads out of ${certDir}`);
    return await readFile(real, 'utf8');
  } catch (cause) {
    if (cause instanceof StalledError) throw cause;
    throw certificateInvalid(`${field} ${name} cannot be read: put it into ${certDir} on the node`, cause);
  }
}

/** The refusal that every problem with a certificate ends in. */
export const certificateInvalid = (message: string, cause?: unknown): StalledError =>
  new StalledError('CertificateInvalid', message, cause === undefined ? {} : { cause });
