import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../domain/errno.ts';
import { StalledError } from '../../../domain/errors.ts';
import { parseBundle } from '../../../tls/pem.ts';

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
export async function findTrustFiles(dir: string): Promise<TrustFiles> {
  const names = (await readdir(dir).catch(ignoreMissing)).toSorted();
  const having = (suffix: string) => names.filter(name => name.endsWith(suffix));
  const client = having('.cert').map(cert => {
    const key = `${cert.slice(0, -'.cert'.length)}.key`;
    if (!names.includes(key)) throw invalid(`${join(dir, cert)} has no ${key} beside it: put the key there`);
    return { cert: join(dir, cert), key: join(dir, key) };
  });
  return { ca: having('.crt').map(name => join(dir, name)), client };
}

/**
 * Reads and checks certificate files. Of several client certificates the first counts.
 * @throws StalledError `CertificateInvalid`, with the path
 */
export async function readTrust(files: TrustFiles): Promise<Trust> {
  const ca = await Promise.all(files.ca.map(readAuthorities));
  const [first] = files.client;
  return { ca, ...(first !== undefined && { client: await readClient(first) }) };
}

async function readAuthorities(path: string): Promise<string> {
  const pem = await readText(path);
  try {
    if (parseBundle(pem).length > 0) return pem;
  } catch (cause) {
    throw invalid(`${path} is no certificate in PEM form`, cause);
  }
  throw invalid(`${path} holds no certificate in PEM form`);
}

async function readClient(files: { cert: string; key: string }): Promise<{ cert: string; key: string }> {
  const [cert, key] = [await readText(files.cert), await readText(files.key)];
  let isPair: boolean;
  try {
    isPair = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch (cause) {
    throw invalid(`${files.cert} and ${files.key} are no certificate and unencrypted key in PEM form`, cause);
  }
  if (!isPair) throw invalid(`${files.key} does not belong to ${files.cert}`);
  return { cert, key };
}

const readText = (path: string): Promise<string> =>
  readFile(path, 'utf8').catch((cause: unknown) => {
    throw invalid(`${path} cannot be read`, cause);
  });

function ignoreMissing(error: unknown): string[] {
  const code = errnoOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return [];
  throw error;
}

const invalid = (message: string, cause?: unknown): StalledError =>
  new StalledError('CertificateInvalid', message, { cause });
