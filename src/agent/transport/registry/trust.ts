import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { StalledError } from '../../../domain/errors.ts';
import { parseBundle } from '../../../tls/pem.ts';
import type { HostFiles } from './host-files.ts';

/** What connections to one host are made with, beside the system's authorities. PEM text. */
export interface Trust {
  readonly ca: readonly string[];
  readonly client?: { readonly cert: string; readonly key: string };
}

/** Paths of certificate files. */
export interface TrustFiles {
  readonly ca: readonly string[];
  readonly client: readonly { readonly cert: string; readonly key: string }[];
}

/**
 * What a folder of Docker's kind names: `*.crt` are authorities, `*.cert` with `*.key` is a client's certificate.
 * @returns nothing for a folder that is missing
 * @throws StalledError `CertificateInvalid` for a certificate without its key
 * @source docs.docker.com, "Verify repository client with certificates"
 */
export async function findTrustFiles(files: HostFiles, dir: string): Promise<TrustFiles> {
  const names = await files.readNames(dir);
  const having = (suffix: string) => names.filter(name => name.endsWith(suffix));
  const client = having('.cert').map(cert => {
    const key = `${cert.slice(0, -'.cert'.length)}.key`;
    if (!names.includes(key))
      throw invalid(`${files.shown(join(dir, cert))} has no ${key} beside it: put the key there`);
    return { cert: join(dir, cert), key: join(dir, key) };
  });
  return { ca: having('.crt').map(name => join(dir, name)), client };
}

/**
 * Reads and checks certificate files. Of several client certificates the first counts.
 * @throws StalledError `CertificateInvalid`, with the path
 */
export async function readTrust(files: HostFiles, paths: TrustFiles): Promise<Trust> {
  const ca = await Promise.all(paths.ca.map(path => readAuthorities(files, path)));
  const [first] = paths.client;
  return { ca, ...(first !== undefined && { client: await readClient(files, first) }) };
}

async function readAuthorities(files: HostFiles, path: string): Promise<string> {
  const pem = await readText(files, path);
  const shown = files.shown(path);
  try {
    if (parseBundle(pem).length > 0) return pem;
  } catch (cause) {
    throw invalid(`${shown} is no certificate in PEM form`, cause);
  }
  throw invalid(`${shown} holds no certificate in PEM form`);
}

async function readClient(
  files: HostFiles,
  paths: { cert: string; key: string },
): Promise<{ cert: string; key: string }> {
  const [cert, key] = [await readText(files, paths.cert), await readText(files, paths.key)];
  const [shownCert, shownKey] = [files.shown(paths.cert), files.shown(paths.key)];
  let isPair: boolean;
  try {
    isPair = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch (cause) {
    throw invalid(`${shownCert} and ${shownKey} are no certificate and unencrypted key in PEM form`, cause);
  }
  if (!isPair) throw invalid(`${shownKey} does not belong to ${shownCert}`);
  return { cert, key };
}

const readText = (files: HostFiles, path: string): Promise<string> =>
  files.readText(path).catch((cause: unknown) => {
    throw invalid(`${files.shown(path)} cannot be read`, cause);
  });

const invalid = (message: string, cause?: unknown): StalledError =>
  new StalledError('CertificateInvalid', message, { cause });
