import { errnoOf } from '../../domain/errno.ts';
import { StalledError, TransientError } from '../../domain/errors.ts';

/** The server asks to be left alone for a while. */
export class ServerBusyError extends TransientError {
  readonly waitMs: number;

  /** @param waitMs milliseconds for which it asks; 0 if it does not say */
  constructor(message: string, waitMs: number, options?: ErrorOptions) {
    super('DownloadFailed', message, options);
    this.waitMs = waitMs;
  }
}

/** Connection failures by the system's or the library's code, in words that tell where to look. */
const NETWORK_FAILURES = new Map([
  ['ENOTFOUND', 'the name of the server is not known (DNS)'],
  ['EAI_AGAIN', 'the name server does not answer (DNS)'],
  ['ECONNREFUSED', 'the server refuses connections'],
  ['ECONNRESET', 'the connection was reset'],
  ['EHOSTUNREACH', 'the server is not reachable'],
  ['ENETUNREACH', 'the network is not reachable'],
  ['ETIMEDOUT', 'the server does not answer'],
  ['UND_ERR_CONNECT_TIMEOUT', 'the server does not answer'],
  ['UND_ERR_HEADERS_TIMEOUT', 'the server accepts the request and then stays silent'],
  ['UND_ERR_BODY_TIMEOUT', 'the server stopped sending'],
  ['UND_ERR_SOCKET', 'the connection was closed early'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'the connection was closed early'],
]);

/** TLS failures that a certificate causes, and what to do about each. */
const CERTIFICATE_FAILURES = new Map([
  ['CERT_HAS_EXPIRED', "the server's certificate has expired: renew it on the server"],
  ['CERT_NOT_YET_VALID', "the server's certificate is not valid yet: check the node's clock"],
  ['ERR_TLS_CERT_ALTNAME_INVALID', "the server's certificate is for another name: correct the address or it"],
]);
const UNTRUSTED =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH)/;

/** What a person does about certificates of one kind of server. */
export interface CertificateAdvice {
  /** The server's is not trusted. */
  readonly authority: string;
  /** The server does not like ours. */
  readonly client: string;
  /** The server has none, as it does not speak TLS. */
  readonly plain: string;
}
const IMAGE_ADVICE: CertificateAdvice = {
  authority: 'name the right one in caCert',
  client: 'name the clientCert and clientKey that it accepts, and in an OS set mtls: true',
  plain: 'is it an http address?',
};

/**
 * Sorts out why a request failed: a certificate is a person's matter, the network is worth another try.
 * @param where the address, without its secrets
 */
export function classifyFailure(
  error: unknown,
  where: string,
  advice: CertificateAdvice = IMAGE_ADVICE,
): StalledError | TransientError {
  if (error instanceof StalledError || error instanceof TransientError) return error;
  const code = errnoOf(error);
  const known = CERTIFICATE_FAILURES.get(code);
  if (known !== undefined) return certificateFailure(where, known, error);
  if (UNTRUSTED.test(code)) {
    const words = `the server's certificate is not signed by a trusted authority: ${advice.authority} (${code})`;
    return certificateFailure(where, words, error);
  }
  if (/^ERR_SSL_.*(ALERT|CERTIFICATE)/.test(code)) {
    const words = `the server refuses this client: ${advice.client} (${code})`;
    return certificateFailure(where, words, error);
  }
  if (/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)/.test(code)) {
    return new StalledError('AddressUnsupported', `${where} does not speak TLS: ${advice.plain}`, {
      cause: error,
    });
  }
  const words = NETWORK_FAILURES.get(code) ?? (error instanceof Error ? error.message : String(error));
  return new TransientError('DownloadFailed', `${where}: ${words}`, { cause: error });
}

const certificateFailure = (where: string, words: string, cause: unknown): StalledError =>
  new StalledError('CertificateInvalid', `${where}: ${words}`, { cause });

/**
 * What an answer other than the file itself means.
 * @param waitMs for how long the server asks to be left alone
 */
export function classifyStatus(status: number, where: string, waitMs: number): StalledError | TransientError {
  if (status === 404 || status === 410) {
    return new StalledError(
      'NotFound',
      `${where} is not there (HTTP ${status}): correct the image's address`,
    );
  }
  if (status === 401 || status === 403 || status === 407) {
    return new StalledError(
      'AccessDenied',
      `${where} is not allowed (HTTP ${status}): check the server's access rules`,
    );
  }
  if (isBusyStatus(status)) return new ServerBusyError(`${where}: the server answers HTTP ${status}`, waitMs);
  const hint =
    status === 400 && where.startsWith('https:')
      ? ' (nginx answers so to a client certificate that is missing, or that it does not accept: see clientCert)'
      : '';
  return new StalledError('AddressUnsupported', `${where} answers HTTP ${status} instead of the file${hint}`);
}

/** Tells whether an answer may be another one next time. */
export const isBusyStatus = (status: number): boolean =>
  status >= 500 || status === 408 || status === 425 || status === 429;
