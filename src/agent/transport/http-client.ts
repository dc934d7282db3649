import type { Agent, Dispatcher } from 'undici';
import type { ClientCredentials } from '../../tls/client-credentials.ts';
import { checkRedirect, publicAddress } from './address.ts';
import { newAgent, systemRoots } from './connections.ts';
import { classifyFailure } from './failures.ts';

const REDIRECTS = [301, 302, 303, 307, 308];

/** How a client of one image connects. */
export interface HttpClientOptions {
  readonly url: URL;
  readonly flagSafe: boolean;
  readonly credentials: ClientCredentials;
  /** A server that is silent for so long is given up; the download is then resumed. */
  readonly silenceMs: number;
}

/** One answer, with the address that it came from after redirects. */
export interface HttpAnswer {
  readonly response: Dispatcher.ResponseData;
  /** Address without its secrets, for messages. */
  readonly where: string;
}

/** Fetches one image's address; redirects are followed by the rules. */
export interface HttpClient {
  /** @throws StalledError or TransientError, sorted out */
  get(headers: Record<string, string>, signal: AbortSignal): Promise<HttpAnswer>;
  close(): Promise<void>;
}

/** A client with connections of its own, so that nothing of one image is shared with another. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { url, credentials } = options;
  const own = connect(options, url.protocol, credentials.client);
  // Whoever the server redirects to gets neither the client certificate nor the password.
  let foreign: Agent | undefined;
  const authorization: Record<string, string> = url.username === '' ? {} : { authorization: basicOf(url) };
  return {
    get: async (headers, signal) => {
      let at = url;
      for (let followed = 0; ; followed++) {
        const isOwn = at.host === url.host && at.protocol === url.protocol;
        if (!isOwn) foreign ??= connect(options, 'https:', undefined);
        const response = await send((isOwn ? undefined : foreign) ?? own, at, {
          headers: { 'accept-encoding': 'identity', ...headers, ...(isOwn ? authorization : {}) },
          signal,
        });
        const location = response.headers.location;
        if (!REDIRECTS.includes(response.statusCode) || typeof location !== 'string') {
          return { response, where: publicAddress(at) };
        }
        await discard(response);
        at = checkRedirect(at, location, followed, options.flagSafe);
      }
    },
    close: async () => {
      await Promise.all([own.destroy(), foreign?.destroy()]);
    },
  };
}

async function send(
  agent: Agent,
  url: URL,
  options: { headers: Record<string, string>; signal: AbortSignal },
): Promise<Dispatcher.ResponseData> {
  try {
    return await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      ...options,
    });
  } catch (error) {
    options.signal.throwIfAborted();
    throw classifyFailure(error, publicAddress(url));
  }
}

function connect(
  { credentials, silenceMs }: HttpClientOptions,
  protocol: string,
  client: ClientCredentials['client'],
): Agent {
  // Reading the system's list takes a quarter of a second, so it is not read for nothing.
  const ca = credentials.ca ?? (protocol === 'https:' ? systemRoots() : undefined);
  return newAgent({ silenceMs, ca, client });
}

const basicOf = (url: URL): string => {
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
};

/** Gets rid of an answer's body; a connection that breaks meanwhile does not matter. */
export const discard = (response: Dispatcher.ResponseData): Promise<void> =>
  response.body.dump({ limit: 65_536 }).catch(() => undefined);
