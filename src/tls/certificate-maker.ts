import { createPrivateKey, generateKeyPair, randomBytes, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import forge from 'node-forge';
import type { ServerName } from './certificate-names.ts';

/** A certificate and its private key, in PEM. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/** From when to when a certificate counts. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Whom a certificate is for. */
export type CertificateUse =
  | { readonly type: 'server'; readonly names: readonly ServerName[] }
  | { readonly type: 'client'; readonly name: string };

const RSA_BITS = 3072;
/** Upper bound of a common name. @source RFC 5280, appendix A.1 */
const MAX_COMMON_NAME = 64;

/** Makes a private authority: a certificate that signs itself, and its key. */
export async function makeAuthority(name: string, validity: Validity): Promise<CertificatePair> {
  const key = await newKey();
  const subject = [{ name: 'commonName', value: name }];
  const cert = prepare(key, subject, validity);
  cert.setIssuer(subject);
  cert.setExtensions([
    { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  return { cert: signed(cert, key), key };
}

/** Makes a certificate that `authority` signs, with a key of its own. */
export async function issueCertificate(
  authority: CertificatePair,
  use: CertificateUse,
  validity: Validity,
): Promise<CertificatePair> {
  const key = await newKey();
  const issuer = forge.pki.certificateFromPem(authority.cert);
  const cert = prepare(key, [{ name: 'commonName', value: commonName(use) }], validity);
  cert.setIssuer(issuer.subject.attributes);
  cert.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: use.type === 'server', clientAuth: use.type === 'client' },
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes() },
    ...(use.type === 'server' ? [{ name: 'subjectAltName', altNames: use.names.map(altName) }] : []),
  ]);
  return { cert: signed(cert, authority.key), key };
}

/**
 * Why a pair cannot sign further certificates, as the end of a sentence; `undefined` if it can.
 * @param nowMs an authority that has expired signs nothing that counts
 */
export function authorityProblem({ cert, key }: CertificatePair, nowMs: number): string | undefined {
  try {
    const certificate = new X509Certificate(cert);
    const privateKey = createPrivateKey(key);
    if (!certificate.ca) return 'is no authority (CA)';
    if (!certificate.checkPrivateKey(privateKey)) return 'does not belong to its key';
    if (privateKey.asymmetricKeyType !== 'rsa')
      return 'is not an RSA one, and others cannot be used for this';
    if (Date.parse(certificate.validTo) <= nowMs) return `has expired at ${certificate.validTo}`;
    return undefined;
  } catch {
    return 'and its key are not both in PEM form, unencrypted';
  }
}

/** Until when a certificate counts. */
export const expiryOf = (cert: string): Date => new Date(new X509Certificate(cert).validTo);

async function newKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: RSA_BITS,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}

function prepare(
  key: string,
  subject: forge.pki.CertificateField[],
  { notBefore, notAfter }: Validity,
): forge.pki.Certificate {
  const cert = forge.pki.createCertificate();
  const { n, e } = forge.pki.privateKeyFromPem(key);
  cert.publicKey = forge.pki.rsa.setPublicKey(n, e);
  cert.serialNumber = newSerial();
  cert.validity.notBefore = notBefore;
  cert.validity.notAfter = notAfter;
  cert.setSubject(subject);
  return cert;
}

function signed(cert: forge.pki.Certificate, signerKey: string): string {
  cert.sign(forge.pki.privateKeyFromPem(signerKey), forge.md.sha256.create());
  return forge.pki.certificateToPem(cert).replaceAll('\r\n', '\n');
}

/** 126 random bits; the first byte makes it a positive number of full length. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x40, 0);
  return bytes.toString('hex');
}

function commonName(use: CertificateUse): string {
  if (use.type === 'client') return use.name;
  const [first] = use.names;
  return first && first.value.length <= MAX_COMMON_NAME ? first.value : 'image server';
}

/** @source RFC 5280, 4.2.1.6: 2 is a DNS name, 7 an address */
const altName = ({ type, value }: ServerName): object =>
  type === 'ip' ? { type: 7, ip: value } : { type: 2, value };
