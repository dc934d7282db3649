import { X509Certificate } from 'node:crypto';

const BLOCK = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]+?-----END (?:TRUSTED )?CERTIFICATE-----/g;

/**
 * The certificates of a PEM bundle, in its order. Text between them is left out.
 * @throws Error of the parser for a block that is no certificate
 */
export const parseBundle = (pem: string): X509Certificate[] =>
  (pem.match(BLOCK) ?? []).map(block => new X509Certificate(block));

/** Why a certificate does not count at a moment; undefined if it does. */
export function validityProblem(certificate: X509Certificate, nowMs: number): string | undefined {
  const name = certificate.subject.replaceAll('\n', ', ');
  if (nowMs < Date.parse(certificate.validFrom))
    return `${name} is not valid before ${certificate.validFrom}`;
  if (nowMs > Date.parse(certificate.validTo)) return `${name} expired at ${certificate.validTo}`;
  return undefined;
}
