import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { type CertField, certificateInvalid, readCertFile } from './cert-files.ts';
import { parseBundle, validityProblem } from './pem.ts';

/** The certificate files that an image names. */
export interface CertNames {
  readonly caCert?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
  readonly mtls?: boolean | undefined;
}

/** What a TLS connection is made with, as PEM text. */
export interface ClientCredentials {
  /** Trusted alone if given. */
  readonly ca?: string;
  readonly client?: { readonly cert: string; readonly key: string };
}

/**
 * Loads and checks what an image's certificate fields name, before any connection is made.
 * @throws StalledError `CertificateInvalid`: not there, unreadable, expired, not yet valid, key of another certificate
 */
export async function loadClientCredentials(
  certDir: string,
  names: CertNames,
  nowMs: number,
): Promise<ClientCredentials> {
  assertComplete(names);
  const { caCert, clientCert, clientKey } = names;
  const ca = caCert ? await readChecked(certDir, 'caCert', caCert, nowMs) : undefined;
  const trusted = ca === undefined ? {} : { ca: ca.pem };
  if (!clientCert || !clientKey) return trusted;
  const cert = await readChecked(certDir, 'clientCert', clientCert, nowMs);
  const key = await readCertFile(certDir, 'clientKey', clientKey);
  if (!cert.first.checkPrivateKey(parseKey(key, clientKey))) {
    throw certificateInvalid(`clientKey ${clientKey} does not belong to clientCert ${clientCert}`);
  }
  return { ...trusted, client: { cert: cert.pem, key } };
}

function assertComplete(names: CertNames): void {
  const wanted: CertField[] = names.mtls
    ? ['caCert', 'clientCert', 'clientKey']
    : names.clientCert || names.clientKey
      ? ['clientCert', 'clientKey']
      : [];
  const missing = wanted.filter(field => !names[field]);
  if (missing.length === 0) return;
  const why = names.mtls ? 'mtls needs' : 'a client certificate needs';
  throw certificateInvalid(`${why} ${wanted.join(', ')}, but ${missing.join(', ')} is missing`);
}

async function readChecked(certDir: string, field: CertField, name: string, nowMs: number) {
  const pem = await readCertFile(certDir, field, name);
  const certificates = parseCertificates(pem, field, name);
  const [first] = certificates;
  if (first === undefined) throw certificateInvalid(`${field} ${name} holds no certificate in PEM form`);
  const problems = certificates.map(certificate => validityProblem(certificate, nowMs));
  // A bundle of authorities may hold old ones beside the one that counts; a client certificate is the first.
  const isBad = field === 'caCert' ? !problems.includes(undefined) : problems[0] !== undefined;
  if (isBad) throw certificateInvalid(`${field} ${name}: ${problems[0]}; renew it on the node`);
  return { pem, first };
}

function parseCertificates(pem: string, field: CertField, name: string): X509Certificate[] {
  try {
    return parseBundle(pem);
  } catch (cause) {
    throw certificateInvalid(`${field} ${name} is no certificate in PEM form`, cause);
  }
}

function parseKey(pem: string, name: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw certificateInvalid(`clientKey ${name} is no unencrypted private key in PEM form`, cause);
  }
}
