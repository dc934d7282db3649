import { generateKeyPairSync, randomBytes } from 'node:crypto';
import forge from 'node-forge';

/** A certificate and its private key, in PEM. */
export interface Credential {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** Who a certificate speaks for: to the API server, `commonName` is the user and `groups` are its groups. */
export interface CertificateSubject {
  readonly commonName: string;
  readonly groups?: readonly string[];
  /** Addresses that a server certificate is valid for. */
  readonly ipAddresses?: readonly string[];
}

/** The certificate authority of one test cluster. */
export interface Authority extends Credential {
  issue(subject: CertificateSubject): Credential;
}

/** Makes an authority. All that it issues shares one key pair: making RSA keys is slow, and nothing here is secret. */
export function createAuthority(): Authority {
  const [authorityKey, sharedKey] = [generateKeyPem(), generateKeyPem()];
  const name = { commonName: 'twinslot test cluster' };
  const certificatePem = sign(name, authorityKey, { issuer: name, keyPem: authorityKey });
  return {
    certificatePem,
    keyPem: authorityKey,
    issue: subject => ({
      certificatePem: sign(subject, sharedKey, { issuer: name, keyPem: authorityKey }),
      keyPem: sharedKey,
    }),
  };
}

/** A new RSA private key in PEM. */
export const generateKeyPem = (): string =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  }).privateKey;

interface Signer {
  readonly issuer: CertificateSubject;
  readonly keyPem: string;
}

function sign(subject: CertificateSubject, keyPem: string, signer: Signer): string {
  const key = forge.pki.privateKeyFromPem(keyPem);
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.rsa.setPublicKey(key.n, key.e);
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`;
  // A clock that is a little behind, or a test that moves it, must not meet a certificate from the future.
  certificate.validity.notBefore = new Date(Date.now() - 24 * 3_600_000);
  certificate.validity.notAfter = new Date(Date.now() + 30 * 24 * 3_600_000);
  certificate.setSubject(attributes(subject));
  certificate.setIssuer(attributes(signer.issuer));
  certificate.setExtensions(extensions(subject, subject === signer.issuer));
  certificate.sign(forge.pki.privateKeyFromPem(signer.keyPem), forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate);
}

const attributes = (subject: CertificateSubject): forge.pki.CertificateField[] => [
  ...(subject.groups ?? []).map(value => ({ name: 'organizationName', value })),
  { name: 'commonName', value: subject.commonName },
];

function extensions(subject: CertificateSubject, isAuthority: boolean): object[] {
  if (isAuthority)
    return [
      { name: 'basicConstraints', cA: true },
      { name: 'keyUsage', keyCertSign: true },
    ];
  const ips = subject.ipAddresses ?? [];
  return [
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true },
    { name: 'extKeyUsage', clientAuth: true, serverAuth: ips.length > 0 },
    ...(ips.length > 0 ? [{ name: 'subjectAltName', altNames: ips.map(ip => ({ type: 7, ip })) }] : []),
  ];
}
