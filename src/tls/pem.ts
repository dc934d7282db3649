import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';

const BLOCK = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]+?-----END (?:TRUSTED )?CERTIFICATE-----/g;
const CERTIFICATE_BEGIN = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----/;
const KEY_BEGIN = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;
/** Begins every certificate and key in DER, and every PKCS#12 file. @source ITU-T X.690: SEQUENCE */
const DER_BEGIN = 0x30;

/** What a file holds that should hold a certificate or a key. */
export type Content = 'certificate' | 'key' | 'encryptedKey' | 'der' | 'empty' | 'other';

/**
 * Tells what is in a file by how it looks, not whether it is whole.
 * @param wanted looked for first: one file may hold both
 */
export function contentOf(bytes: Buffer, wanted: 'certificate' | 'key'): Content {
  if (bytes.length === 0) return 'empty';
  const text = bytes.toString('latin1');
  const hasCertificate = CERTIFICATE_BEGIN.test(text);
  if (hasCertificate && wanted === 'certificate') return 'certificate';
  if (KEY_BEGIN.test(text)) return ENCRYPTED.test(text) ? 'encryptedKey' : 'key';
  if (hasCertificate) return 'certificate';
  return bytes[0] === DER_BEGIN ? 'der' : 'other';
}

/**
 * The certificates of a PEM bundle, in its order. Text between them is left out.
 * @throws Error of the parser for a block that is no certificate
 */
export const parseBundle = (pem: string): X509Certificate[] =>
  (pem.match(BLOCK) ?? []).map(block => new X509Certificate(block));

/**
 * The private key in a PEM file, which may hold certificates beside it.
 * @throws Error of the parser
 */
export const parseKey = (pem: string): KeyObject => createPrivateKey(pem);

/** Why a certificate does not count at a moment; undefined if it does. */
export function validityProblem(certificate: X509Certificate, nowMs: number): string | undefined {
  const name = subjectOf(certificate);
  if (nowMs < Date.parse(certificate.validFrom))
    return `${name} is not valid before ${certificate.validFrom}`;
  if (nowMs > Date.parse(certificate.validTo)) return `${name} expired at ${certificate.validTo}`;
  return undefined;
}

/** Whom a certificate is for, on one line. */
export const subjectOf = (certificate: X509Certificate): string => certificate.subject.replaceAll('\n', ', ');

/** Uses of a certificate that include showing it to a server. @source RFC 5280, 4.2.1.12 */
const CLIENT_USES = ['1.3.6.1.5.5.7.3.2', '2.5.29.37.0'];

/** A certificate says what it is for, and showing it to a server is not among that. */
export const isNotForClients = ({ keyUsage }: X509Certificate): boolean =>
  keyUsage !== undefined && keyUsage.length > 0 && !keyUsage.some(use => CLIENT_USES.includes(use));
