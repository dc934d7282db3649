import forge from 'node-forge';

/** A certificate with its key, as PEM text. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;

/** Options of a certificate; it is valid from yesterday to tomorrow unless said otherwise. */
export interface CertOptions {
  readonly name: string;
  /** Days from now. */
  readonly fromDays?: number;
  readonly toDays?: number;
  /** Host names and addresses that a server has. */
  readonly hosts?: readonly string[];
}

/** A private authority that signs certificates for a test. */
export class Authority {
  readonly pair: Pair;
  readonly #name: string;

  constructor(name: string, days: Pick<CertOptions, 'fromDays' | 'toDays'> = {}) {
    this.#name = name;
    this.pair = make({ name, ...days }, undefined);
  }

  issue(options: CertOptions): Pair {
    return make(options, { name: this.#name, key: this.pair.key });
  }
}

// Making RSA keys is slow, so all certificates that an authority signs share one.
const leafKey = forge.pki.rsa.generateKeyPair(2048);
let made = 0;

function make(options: CertOptions, issuer: { name: string; key: string } | undefined): Pair {
  const pair = issuer === undefined ? forge.pki.rsa.generateKeyPair(2048) : leafKey;
  const cert = forge.pki.createCertificate();
  cert.publicKey = pair.publicKey;
  made += 1;
  cert.serialNumber = `0${made}`;
  cert.validity.notBefore = new Date(Date.now() + (options.fromDays ?? -1) * DAY_MS);
  cert.validity.notAfter = new Date(Date.now() + (options.toDays ?? 1) * DAY_MS);
  cert.setSubject([{ name: 'commonName', value: options.name }]);
  cert.setIssuer([{ name: 'commonName', value: issuer?.name ?? options.name }]);
  const altNames = (options.hosts ?? []).map(host =>
    /^[\d.]+$/.test(host) ? { type: 7, ip: host } : { type: 2, value: host },
  );
  cert.setExtensions([
    { name: 'basicConstraints', cA: issuer === undefined },
    ...(altNames.length === 0 ? [] : [{ name: 'subjectAltName', altNames }]),
  ]);
  const signer = issuer === undefined ? pair.privateKey : forge.pki.privateKeyFromPem(issuer.key);
  cert.sign(signer, forge.md.sha256.create());
  return { cert: forge.pki.certificateToPem(cert), key: forge.pki.privateKeyToPem(pair.privateKey) };
}
