import type { Dispatcher } from 'undici';
import { StalledError, TransientError } from '../../../domain/errors.ts';
import { checkRedirect, publicAddress } from '../address.ts';
import { isBusyStatus, ServerBusyError } from '../failures.ts';
import { discard, type HttpAnswer } from '../http-client.ts';
import { retryAfterMs } from '../validators.ts';
import { type Authorizer, createAuthorizer } from './authorizer.ts';
import { parseChallenges } from './challenge.ts';
import type { CredentialStore } from './credentials.ts';
import { createConnections, type EndpointConnections } from './endpoint-connections.ts';
import type { Endpoint } from './endpoints.ts';
import { createTokenSource } from './tokens.ts';

const REDIRECTS = [301, 302, 303, 307, 308];

/** Asks one registry host for what belongs to one repository. */
export interface EndpointClient {
  readonly endpoint: Endpoint;
  /** Its address, for messages. */
  readonly name: string;
  /**
   * Logs in as needed and follows redirects.
   * @param path within the repository: `manifests/latest`, `blobs/sha256:…`
   * @returns an answer with status 200, 206 or 416
   * @throws StalledError `NotFound`, `AccessDenied`, `CertificateInvalid`, …; TransientError
   */
  get(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<HttpAnswer>;
  close(): Promise<void>;
}

/** What a client of one host is made of. */
export interface EndpointClientParts {
  readonly endpoint: Endpoint;
  readonly repository: string;
  readonly credentials: CredentialStore;
  /** A server that is silent for so long is given up. */
  readonly silenceMs: number;
}

interface FollowedAnswer extends HttpAnswer {
  /** It came from the endpoint itself. */
  readonly isOwn: boolean;
}

/** Connects only when it is asked for something. */
export const createEndpointClient = (parts: EndpointClientParts): EndpointClient => new Client(parts);

class Client implements EndpointClient {
  endpoint: Endpoint;
  readonly name: string;
  readonly #parts: EndpointClientParts;
  readonly #authorizer: Authorizer;
  #connections: EndpointConnections;

  constructor(parts: EndpointClientParts) {
    const { endpoint, repository, credentials, silenceMs } = parts;
    this.#parts = parts;
    this.endpoint = endpoint;
    this.name = endpoint.base.host;
    this.#connections = createConnections(endpoint, silenceMs);
    const getToken = createTokenSource({
      connections: () => this.#connections,
      base: () => this.endpoint.base,
      repository,
    });
    this.#authorizer = createAuthorizer(credentials.find(this.name, repository), getToken);
  }

  async get(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<HttpAnswer> {
    const attempts = this.#authorizer.attempts();
    for (;;) {
      const { isOwn, ...answer } = await this.#withFallback(() => this.#follow(path, headers, signal));
      const { statusCode, headers: answered } = answer.response;
      if ([200, 206, 416].includes(statusCode)) return answer;
      await discard(answer.response);
      if (statusCode !== 401 && statusCode !== 403) throw classifyAnswer(answer.response, answer.where);
      // Somebody else's challenge: to answer it would give the registry's password away.
      if (!isOwn)
        throw new TransientError(
          'DownloadFailed',
          `${answer.where} answers HTTP ${statusCode} after a redirect`,
        );
      if (!(await attempts.next(parseChallenges(answered['www-authenticate']), signal)))
        throw denied(answer, this.#parts.credentials.files);
    }
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  async #follow(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<FollowedAnswer> {
    const { base } = this.endpoint;
    const authorization = this.#authorizer.header();
    let at = this.#addressOf(path);
    for (let followed = 0; ; followed++) {
      const isOwn = this.#connections.isOwn(at);
      const shown = isOwn && authorization !== undefined ? { authorization } : {};
      const response = await this.#connections.send(at, { headers: { ...headers, ...shown }, signal });
      const { location } = response.headers;
      if (!REDIRECTS.includes(response.statusCode) || typeof location !== 'string')
        return { response, where: publicAddress(at), isOwn };
      await discard(response);
      at = checkRedirect(at, location, followed, base.protocol === 'http:');
    }
  }

  #addressOf(path: string): URL {
    const { base, mirrorOf } = this.endpoint;
    const url = new URL(base);
    url.pathname = `${base.pathname.replace(/\/$/, '')}/${this.#parts.repository}/${path}`;
    if (mirrorOf !== undefined) url.searchParams.set('ns', mirrorOf);
    return url;
  }

  /** A registry on this machine may be without TLS, as one on a developer's is. */
  async #withFallback(ask: () => Promise<FollowedAnswer>): Promise<FollowedAnswer> {
    try {
      return await ask();
    } catch (error) {
      const speaksNoTls = error instanceof StalledError && error.reason === 'AddressUnsupported';
      if (!speaksNoTls || !this.endpoint.mayFallBack) throw error;
      const base = new URL(this.endpoint.base);
      base.protocol = 'http:';
      await this.#connections.close();
      this.endpoint = { ...this.endpoint, base, mayFallBack: false };
      this.#connections = createConnections(this.endpoint, this.#parts.silenceMs);
      return ask();
    }
  }
}

/** What an answer without content means. */
function classifyAnswer(
  { statusCode, headers }: Dispatcher.ResponseData,
  where: string,
): StalledError | TransientError {
  if (statusCode === 404 || statusCode === 410)
    return new StalledError('NotFound', `${where} is not there (HTTP ${statusCode}): correct name and tag`);
  if (statusCode === 429)
    return new ServerBusyError(
      `${where}: the registry limits how much is pulled (HTTP 429)`,
      retryAfterMs(headers),
    );
  if (isBusyStatus(statusCode))
    return new ServerBusyError(`${where}: the registry answers HTTP ${statusCode}`, retryAfterMs(headers));
  const problem = `answers HTTP ${statusCode}, as no registry does`;
  return new StalledError('AddressUnsupported', `${where} ${problem}: correct the registry's address`);
}

const denied = ({ response, where }: HttpAnswer, files: readonly string[]): StalledError =>
  new StalledError(
    'AccessDenied',
    `${where} is not allowed (HTTP ${response.statusCode}), or is not there. No password that lets in was found in ` +
      `${files.join(', ')}: put one into the Secret node-agent-registry, or into one of these files on the node`,
  );
