import type { Dispatcher } from 'undici';
import { StalledError, TransientError } from '../../../domain/errors.ts';
import { checkRedirect, publicAddress } from '../address.ts';
import { isBusyStatus, ServerBusyError } from '../failures.ts';
import { discard, type HttpAnswer } from '../http-client.ts';
import { retryAfterMs } from '../validators.ts';
import { createAuthorizer } from './authorizer.ts';
import { parseChallenges } from './challenge.ts';
import type { CredentialStore } from './credentials.ts';
import { createConnections } from './endpoint-connections.ts';
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
export function createEndpointClient(parts: EndpointClientParts): EndpointClient {
  const { repository, credentials, silenceMs } = parts;
  let { endpoint } = parts;
  let connections = createConnections(endpoint, silenceMs);
  const authorizer = createAuthorizer(credentials.find(endpoint.base.host, repository), (...args) =>
    createTokenSource({ connections, base: () => endpoint.base, repository })(...args),
  );

  const follow = async (
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<FollowedAnswer> => {
    const { base, mirrorOf } = endpoint;
    let at = new URL(base);
    at.pathname = `${base.pathname.replace(/\/$/, '')}/${repository}/${path}`;
    if (mirrorOf !== undefined) at.searchParams.set('ns', mirrorOf);
    const authorization = authorizer.header();
    for (let followed = 0; ; followed++) {
      const shown = connections.isOwn(at) && authorization !== undefined ? { authorization } : {};
      const response = await connections.send(at, { headers: { ...headers, ...shown }, signal });
      const { location } = response.headers;
      if (!REDIRECTS.includes(response.statusCode) || typeof location !== 'string')
        return { response, where: publicAddress(at), isOwn: connections.isOwn(at) };
      await discard(response);
      at = checkRedirect(at, location, followed, endpoint.base.protocol === 'http:');
    }
  };

  /** A registry on this machine may be without TLS, as one on a developer's is. */
  const withFallback = async (ask: () => Promise<FollowedAnswer>): Promise<FollowedAnswer> => {
    try {
      return await ask();
    } catch (error) {
      const speaksNoTls = error instanceof StalledError && error.reason === 'AddressUnsupported';
      if (!speaksNoTls || !endpoint.mayFallBack) throw error;
      const base = new URL(endpoint.base);
      base.protocol = 'http:';
      await connections.close();
      endpoint = { ...endpoint, base, mayFallBack: false };
      connections = createConnections(endpoint, silenceMs);
      return ask();
    }
  };

  return {
    get endpoint() {
      return endpoint;
    },
    name: endpoint.base.host,
    get: async (path, headers, signal) => {
      const attempts = authorizer.attempts();
      for (;;) {
        const answer = await withFallback(() => follow(path, headers, signal));
        const { statusCode, headers: answered } = answer.response;
        if ([200, 206, 416].includes(statusCode)) return answer;
        await discard(answer.response);
        if (statusCode !== 401 && statusCode !== 403) throw classifyAnswer(answer.response, answer.where);
        // Somebody else's challenge: to answer it would give the registry's password away.
        if (!answer.isOwn)
          throw new TransientError(
            'DownloadFailed',
            `${answer.where} answers HTTP ${statusCode} after a redirect`,
          );
        if (!(await attempts.next(parseChallenges(answered['www-authenticate']), signal)))
          throw denied(answer, credentials.files);
      }
    },
    close: () => connections.close(),
  };
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
