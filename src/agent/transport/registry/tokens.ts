import type { Dispatcher } from 'undici';
import { z } from 'zod';
import { isLoopbackHost } from '../../../domain/address.ts';
import { StalledError } from '../../../domain/errors.ts';
import { publicAddress } from '../address.ts';
import { isBusyStatus, ServerBusyError } from '../failures.ts';
import { discard } from '../http-client.ts';
import { retryAfterMs } from '../validators.ts';
import { basicHeader, type TokenSource } from './authorizer.ts';
import type { Challenge } from './challenge.ts';
import type { Credential } from './credentials.ts';
import type { EndpointConnections } from './endpoint-connections.ts';
import { readBody } from './read-body.ts';

const MAX_ANSWER_BYTES = 2 ** 20;
const Answer = z.looseObject({ token: z.string().optional(), access_token: z.string().optional() });

/** Who asks for tokens, and for what. */
export interface TokenParts {
  /** Those in use now, and the address of the registry. */
  connections(): EndpointConnections;
  base(): URL;
  readonly repository: string;
}

/**
 * Gets tokens from the server that a registry names.
 * @throws StalledError `AddressForbidden`, `InsecureAddress`, `AccessDenied`; TransientError
 * @source distribution.github.io/distribution/spec/auth/token and …/oauth
 */
export const createTokenSource =
  (parts: TokenParts): TokenSource =>
  async (challenge, credential, signal) => {
    const realm = realmOf(challenge, parts.base());
    const service = challenge.params.get('service');
    const scope = challenge.params.get('scope') ?? `repository:${parts.repository}:pull`;
    const asked = { ...(service !== undefined && { service }), scope };
    const response = await ask(parts.connections(), { realm, asked, credential, signal });
    if (response.statusCode === 200) return readToken(response, realm);
    await discard(response);
    const words = `${publicAddress(realm)} answers HTTP ${response.statusCode}`;
    if (isBusyStatus(response.statusCode)) throw new ServerBusyError(words, retryAfterMs(response.headers));
    if (response.statusCode >= 300 && response.statusCode < 400)
      throw new StalledError('AccessDenied', `${words}: the registry has to name the token server itself`);
    return undefined;
  };

/**
 * Where tokens are. They, and the password, travel by https, unless the registry itself is not on it.
 * @throws StalledError
 */
function realmOf(challenge: Challenge, base: URL): URL {
  const realm = URL.parse(challenge.params.get('realm') ?? '');
  if (realm === null || !/^https?:$/.test(realm.protocol) || realm.username !== '') {
    throw new StalledError('AccessDenied', `${base.host} names no usable address for tokens (realm)`);
  }
  const isBothLocal = isLoopbackHost(base.hostname) && isLoopbackHost(realm.hostname);
  if (realm.protocol === 'http:' && base.protocol !== 'http:' && !isBothLocal) {
    throw new StalledError(
      'InsecureAddress',
      `${base.host} wants tokens to be asked for at ${publicAddress(realm)}, which is insecure: serve them over https`,
    );
  }
  return realm;
}

interface Question {
  readonly realm: URL;
  readonly asked: Readonly<Record<string, string>>;
  readonly credential: Credential;
  readonly signal: AbortSignal;
}

function ask(
  connections: EndpointConnections,
  { realm, asked, credential, signal }: Question,
): Promise<Dispatcher.ResponseData> {
  if (credential.kind === 'refreshToken') {
    const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'twinslot', ...asked });
    form.set('refresh_token', credential.token);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return connections.send(realm, { method: 'POST', headers, body: form.toString(), signal });
  }
  const url = new URL(realm);
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  const headers = credential.kind === 'password' ? { authorization: basicHeader(credential) } : {};
  return connections.send(url, { headers, signal });
}

async function readToken(response: Dispatcher.ResponseData, realm: URL): Promise<string> {
  const body = await readBody({ response, where: publicAddress(realm) }, MAX_ANSWER_BYTES);
  let answer: z.infer<typeof Answer> = {};
  try {
    answer = Answer.parse(JSON.parse((body ?? '').toString()));
  } catch {
    // Told below, without what stood there.
  }
  const token = answer.token || answer.access_token;
  if (token) return token;
  throw new StalledError('AccessDenied', `${publicAddress(realm)} answers something that is no token`);
}
