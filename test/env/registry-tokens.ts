import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Authority } from './control-plane-certificates.ts';
import { REGISTRY_PASSWORD, REGISTRY_USER } from './registry-user.ts';

/** One question for a token. */
export interface TokenRequest {
  readonly method: string;
  /** The user that logged in; empty if nobody did. */
  readonly user: string;
  readonly scope: string;
  readonly headers: IncomingMessage['headers'];
}

/** A token server that a docker-registry believes. */
export interface TokenServer {
  /** The `auth.token` settings of the registry, save the certificate. */
  readonly settings: { readonly realm: string; readonly service: string; readonly issuer: string };
  readonly requests: readonly TokenRequest[];
  /** Counted as an OAuth refresh token of the user. */
  readonly refreshToken: string;
  /** A token as it would be given. */
  issue(repository: string, actions: readonly string[]): string;
  /** Tokens that are given from now on count for so long. */
  setLifetime(seconds: number): void;
  /** Answers with this status instead of tokens; undefined makes it well again. */
  setFailure(status: number | undefined): void;
  close(): Promise<void>;
}

/** The registry itself lets a token pass for so long after its end. */
const LEEWAY_SECONDS = 60;
const SERVICE = 'twinslot test registry';
const ISSUER = 'twinslot test tokens';

/** Starts it on loopback. Its tokens are signed in the name of `authority`. */
export async function startTokenServer(
  authority: Authority,
  options: { readonly tokenSeconds?: number; readonly anonymousPull?: boolean },
): Promise<TokenServer> {
  const requests: TokenRequest[] = [];
  const refreshToken = randomUUID();
  let lifetime = options.tokenSeconds ?? 300;
  let failure: number | undefined;
  const issue = createSigner(authority, () => lifetime);
  const server = createServer((request, response) => {
    answer(request, response).catch(error => response.destroy(error));
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const form = await paramsOf(request);
    const user = userOf(request, form, refreshToken);
    const scope = form.get('scope') ?? '';
    requests.push({ method: request.method ?? '', user: user ?? '', scope, headers: request.headers });
    const [, repository = '', actions = ''] = /^repository:(.+):([a-z,*]+)$/.exec(scope) ?? [];
    const mayAsk = user === REGISTRY_USER || (user === '' && options.anonymousPull === true);
    const status = failure ?? (mayAsk && form.get('service') === SERVICE ? 200 : 401);
    response.writeHead(status, { 'content-type': 'application/json' });
    if (status !== 200) return void response.end('{"details":"no"}');
    const token = issue(
      repository,
      actions.split(',').filter(action => action === 'pull'),
    );
    response.end(JSON.stringify(request.method === 'POST' ? { access_token: token } : { token }));
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    settings: { realm: `http://127.0.0.1:${port}/token`, service: SERVICE, issuer: ISSUER },
    requests,
    refreshToken,
    issue,
    setLifetime: seconds => {
      lifetime = seconds;
    },
    setFailure: status => {
      failure = status;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function paramsOf(request: IncomingMessage): Promise<URLSearchParams> {
  if (request.method !== 'POST') return new URL(request.url ?? '/', 'http://host').searchParams;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

/** Empty for nobody; undefined for somebody with a wrong password. */
function userOf(request: IncomingMessage, form: URLSearchParams, refreshToken: string): string | undefined {
  if (form.get('grant_type') === 'refresh_token')
    return form.get('refresh_token') === refreshToken ? REGISTRY_USER : undefined;
  const { authorization = '' } = request.headers;
  if (authorization === '') return '';
  const pair = Buffer.from(authorization.replace(/^Basic /, ''), 'base64').toString();
  return pair === `${REGISTRY_USER}:${REGISTRY_PASSWORD}` ? REGISTRY_USER : undefined;
}

function createSigner(authority: Authority, lifetime: () => number): TokenServer['issue'] {
  const { certificatePem, keyPem } = authority.issue({ commonName: 'tokens' });
  const key = createPrivateKey(keyPem);
  const x5c = [new X509Certificate(certificatePem).raw.toString('base64')];
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return (repository, actions) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      ...{ iss: ISSUER, sub: REGISTRY_USER, aud: SERVICE, jti: randomUUID() },
      ...{ iat: now - 120, nbf: now - 120, exp: now + lifetime() - LEEWAY_SECONDS },
      access: [{ type: 'repository', name: repository, actions }],
    };
    const text = `${part({ typ: 'JWT', alg: 'RS256', x5c })}.${part(claims)}`;
    return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
  };
}
