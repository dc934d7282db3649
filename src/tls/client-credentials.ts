import type { KeyObject, X509Certificate } from 'node:crypto';
import {
  type CertField,
  type CertFile,
  type CertFolder,
  certificateInvalid,
  readCertFile,
} from './cert-files.ts';
import { contentOf, isNotForClients, parseBundle, parseKey, validityProblem } from './pem.ts';

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

/** Where what is odd, but no reason to refuse, is told. */
export interface CredentialsLog {
  warn(message: string, fields: Readonly<Record<string, string>>): unknown;
}

/**
 * Loads and checks what an image's certificate fields name, before any connection is made.
 * @throws StalledError `CertificateInvalid`: not there, unreadable, expired, not yet valid, key of another certificate
 */
export async function loadClientCredentials(
  folder: CertFolder,
  names: CertNames,
  nowMs: number,
  log?: CredentialsLog,
): Promise<ClientCredentials> {
  assertComplete(names);
  const { caCert, clientCert, clientKey } = names;
  const ca = caCert ? await readCertificates(folder, 'caCert', caCert) : undefined;
  if (ca) assertSomeValid(ca, nowMs);
  const trusted = ca === undefined ? {} : { ca: ca.pem };
  if (!clientCert || !clientKey) return trusted;
  const cert = await readCertificates(folder, 'clientCert', clientCert);
  assertFirstValid(cert, nowMs);
  const file = await readCertFile(folder, 'clientKey', clientKey);
  assertBelongs(cert, keyIn(file), clientKey);
  if (file.isWorldReadable)
    log?.warn('private key can be read by everybody on the node: chmod 600', {
      field: 'clientKey',
      file: clientKey,
    });
  if (isNotForClients(cert.first))
    log?.warn('certificate is not made for clients (extended key usage), and servers may refuse it', {
      field: 'clientCert',
      file: clientCert,
    });
  return { ...trusted, client: { cert: cert.pem, key: file.bytes.toString('utf8') } };
}

/** A file with its certificates, of which there is at least one. */
interface Bundle {
  /** The field and the file, for messages. */
  readonly what: string;
  readonly pem: string;
  readonly first: X509Certificate;
  readonly all: readonly X509Certificate[];
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

async function readCertificates(folder: CertFolder, field: CertField, name: string): Promise<Bundle> {
  const file = await readCertFile(folder, field, name);
  const what = `${field} ${name}`;
  assertPem(file, 'certificate');
  const pem = file.bytes.toString('utf8');
  try {
    const [first, ...more] = parseBundle(pem);
    if (first) return { what, pem, first, all: [first, ...more] };
  } catch (cause) {
    throw certificateInvalid(`${what} holds a certificate that is damaged`, cause);
  }
  throw certificateInvalid(`${what} holds a certificate that is cut off`);
}

const EXCHANGED = ': are the two files exchanged?';

/** Refuses what is something else by its looks, and tells how to make it right. */
function assertPem({ field, name, bytes }: CertFile, wanted: 'certificate' | 'key'): void {
  const content = contentOf(bytes, wanted);
  if (content === wanted) return;
  const what = wanted === 'key' ? 'private key' : 'certificate';
  const words = {
    certificate: `holds a certificate and no private key${EXCHANGED}`,
    key: `holds a private key and no certificate${EXCHANGED}`,
    encryptedKey:
      wanted === 'key'
        ? `is protected by a password, which nobody can type here: openssl pkey -in ${name} -out plain.key takes it off`
        : `holds a private key and no certificate${EXCHANGED}`,
    der:
      `is not in PEM form: openssl ${wanted === 'key' ? 'pkey' : 'x509'} -inform der -in ${name} -out ${name}.pem ` +
      'converts DER, openssl pkcs12 -nodes PKCS#12',
    empty: `is empty: put the ${what} into it`,
    other: `holds no ${what} in PEM form`,
  };
  throw certificateInvalid(`${field} ${name} ${words[content]}`);
}

/** A bundle of authorities may hold old ones beside the one that counts. */
function assertSomeValid({ what, all }: Bundle, nowMs: number): void {
  const problems = all.map(certificate => validityProblem(certificate, nowMs));
  if (!problems.includes(undefined)) throw renew(what, problems[0] ?? '');
}

/** A client shows the first certificate; those behind it lead to its authority. */
function assertFirstValid({ what, first }: Bundle, nowMs: number): void {
  const problem = validityProblem(first, nowMs);
  if (problem !== undefined) throw renew(what, problem);
}

function assertBelongs({ what, first, all }: Bundle, key: KeyObject, keyName: string): void {
  if (first.checkPrivateKey(key)) return;
  throw certificateInvalid(
    all.some(certificate => certificate.checkPrivateKey(key))
      ? `${what}: the certificate of clientKey ${keyName} must come first in it, before those of authorities`
      : `clientKey ${keyName} does not belong to ${what}`,
  );
}

function keyIn(file: CertFile): KeyObject {
  assertPem(file, 'key');
  try {
    return parseKey(file.bytes.toString('utf8'));
  } catch (cause) {
    throw certificateInvalid(`${file.field} ${file.name} holds a private key that is damaged`, cause);
  }
}

const renew = (what: string, problem: string) =>
  certificateInvalid(`${what}: ${problem}; renew it on the node`);
