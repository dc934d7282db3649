import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { expect } from 'chai';
import { isTransient, messageOf, reasonOf } from '../../src/domain/errors.ts';
import { fetchText } from '../../src/http/fetch-text.ts';
import { createAuthority } from '../env/control-plane-certificates.ts';

const SECRET = 'this text must stand in no message';

describe('fetchText', () => {
  const authority = createAuthority();
  const servers: Server[] = [];
  let http = '';
  let https = '';

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const to = new URL(request.url ?? '/', http).searchParams.get('to');
    if (request.url === '/catalog') response.end('images: []');
    else if (request.url === '/large') response.end('x'.repeat(2000));
    else if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end();
    else if (request.url === '/stall') response.writeHead(200).write('a');
    else if (to !== null) response.writeHead(302, { location: to }).end(SECRET);
    else response.writeHead(404).end(SECRET);
  };

  const listen = async (server: Server): Promise<number> => {
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };

  before(async () => {
    http = `http://127.0.0.1:${await listen(createServer(answer))}`;
    const { keyPem, certificatePem } = authority.issue({ commonName: 'x', ipAddresses: ['127.0.0.1'] });
    https = `https://127.0.0.1:${await listen(createTlsServer({ key: keyPem, cert: certificatePem }, answer))}`;
  });
  after(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  const fetch = (address: string, more: object = {}) =>
    fetchText(address, { signal: new AbortController().signal, allowHttp: true, maxBytes: 1000, ...more });

  const failureOf = async (address: string, more: object = {}): Promise<unknown> =>
    fetch(address, more).then(
      text => new Error(`fetched ${text}`),
      error => error,
    );

  it('fetches over http where that is allowed', async () => {
    expect(await fetch(`${http}/catalog`)).to.equal('images: []');
  });

  it('fetches over https with a CA of its own', async () => {
    expect(await fetch(`${https}/catalog`, { ca: authority.certificatePem, allowHttp: false })).to.equal(
      'images: []',
    );
  });

  it('follows a redirect', async () => {
    expect(await fetch(`${http}/?to=/catalog`)).to.equal('images: []');
  });

  const cases = [
    {
      name: 'http',
      path: () => `${http}/catalog`,
      more: { allowHttp: false },
      reason: 'InsecureAddress',
      transient: false,
    },
    { name: 'another scheme', path: () => 'file:///etc/passwd', reason: 'AddressInvalid', transient: false },
    { name: 'a password', path: () => 'https://u:p@127.0.0.1/', reason: 'AddressInvalid', transient: false },
    {
      name: 'metadata service',
      path: () => 'http://169.254.169.254/latest',
      reason: 'AddressForbidden',
      transient: false,
    },
    {
      name: 'the same, written as a number',
      path: () => 'http://2852039166/latest',
      reason: 'AddressForbidden',
      transient: false,
    },
    {
      name: 'the same, as IPv6',
      path: () => 'http://[::ffff:169.254.169.254]/',
      reason: 'AddressForbidden',
      transient: false,
    },
    { name: 'link-local', path: () => 'http://[fe80::1]/', reason: 'AddressForbidden', transient: false },
    {
      name: 'a redirect to it',
      path: () => `${http}/?to=http://169.254.169.254/`,
      reason: 'AddressForbidden',
      transient: false,
    },
    {
      name: 'a redirect to a file',
      path: () => `${http}/?to=file:///etc/passwd`,
      reason: 'AddressInvalid',
      transient: false,
    },
    { name: 'redirects for ever', path: () => `${http}/loop`, reason: 'CatalogUnreachable', transient: true },
    { name: 'too much', path: () => `${http}/large`, reason: 'CatalogTooLarge', transient: false },
    { name: '404', path: () => `${http}/nothing`, reason: 'CatalogUnreachable', transient: true },
    { name: 'unknown CA', path: () => `${https}/catalog`, reason: 'CatalogUnreachable', transient: true },
    {
      name: 'nobody there',
      path: () => 'http://127.0.0.1:1/',
      reason: 'CatalogUnreachable',
      transient: true,
    },
    {
      name: 'a server that stalls',
      path: () => `${http}/stall`,
      more: { timeoutMs: 300 },
      reason: 'CatalogUnreachable',
      transient: true,
    },
  ];
  for (const { name, path, more, reason, transient } of cases) {
    it(`refuses: ${name}`, async () => {
      const error = await failureOf(path(), more);
      expect(reasonOf(error), messageOf(error)).to.equal(reason);
      expect(isTransient(error)).to.equal(transient);
      expect(messageOf(error)).not.to.contain(SECRET);
    });
  }

  it('refuses a redirect from https to http', async () => {
    const error = await failureOf(`${https}/?to=${http}/catalog`, { ca: authority.certificatePem });
    expect(reasonOf(error)).to.equal('InsecureAddress');
  });
});
