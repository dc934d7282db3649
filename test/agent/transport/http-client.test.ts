import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { createHttpClient } from '../../../src/agent/transport/http-client.ts';
import { messageOf, reasonOf } from '../../../src/domain/errors.ts';
import type { ClientCredentials } from '../../../src/tls/client-credentials.ts';
import { Authority, type Pair } from '../../tls/authority.ts';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

describe('http client', () => {
  const authority = new Authority('trusted CA');
  const other = new Authority('other CA');
  const good = authority.issue({ name: 'server', hosts: ['localhost', '127.0.0.1'] });
  const client = authority.issue({ name: 'client' });
  const servers: Server[] = [];

  const listen = async (listener: Listener, tls?: Pair, clientCa?: string): Promise<number> => {
    const asking =
      clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: false };
    const server =
      tls === undefined ? createServer(listener) : createTlsServer({ ...tls, ...asking }, listener);
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  const get = async (url: string, credentials: ClientCredentials = {}, flagSafe = true): Promise<string> => {
    const httpClient = createHttpClient({ url: new URL(url), flagSafe, credentials, silenceMs: 5000 });
    try {
      const { response } = await httpClient.get({}, new AbortController().signal);
      return `${response.statusCode} ${await response.body.text()}`;
    } catch (error) {
      return `${reasonOf(error)}: ${messageOf(error)}`;
    } finally {
      await httpClient.close();
    }
  };
  const answer: Listener = (_request, response) => response.end('hello');
  const trusting = { ca: authority.pair.cert };

  it('trusts the given authority', async () => {
    expect(await get(`https://localhost:${await listen(answer, good)}/`, trusting)).to.equal('200 hello');
  });

  for (const { what, tls, credentials, says } of [
    {
      what: 'an authority that the system does not know',
      tls: good,
      credentials: {},
      says: 'trusted authority',
    },
    { what: 'another authority', tls: good, credentials: { ca: other.pair.cert }, says: 'trusted authority' },
    {
      what: 'a certificate for another name',
      tls: authority.issue({ name: 'server', hosts: ['images.test'] }),
      credentials: trusting,
      says: 'another name',
    },
    {
      what: 'an expired certificate',
      tls: authority.issue({ name: 'server', hosts: ['localhost'], fromDays: -5, toDays: -1 }),
      credentials: trusting,
      says: 'expired',
    },
    {
      what: 'a certificate of tomorrow',
      tls: authority.issue({ name: 'server', hosts: ['localhost'], fromDays: 1, toDays: 5 }),
      credentials: trusting,
      says: 'clock',
    },
  ]) {
    it(`refuses ${what} for good`, async () => {
      const outcome = await get(`https://localhost:${await listen(answer, tls)}/`, credentials);
      expect(outcome)
        .to.match(/^CertificateInvalid: /)
        .and.to.contain(says);
    });
  }

  it('says that a server does not speak TLS', async () => {
    expect(await get(`https://localhost:${await listen(answer)}/`)).to.match(/^AddressUnsupported.*TLS/);
  });

  it('calls a refused connection and an unknown name by their names, to be tried again', async () => {
    const port = await listen(answer);
    servers.splice(0).forEach(server => {
      server.close();
    });
    expect(await get(`http://127.0.0.1:${port}/`)).to.match(/^DownloadFailed.*refuses connections/);
    expect(await get('https://name.invalid/')).to.match(/^DownloadFailed.*DNS/);
  });

  it('shows its certificate to the server that asks', async () => {
    const port = await listen(showPeer, good, authority.pair.cert);
    expect(await get(`https://localhost:${port}/`, { ...trusting, client })).to.equal('200 client');
  });

  it('sends neither certificate nor password to the host that it is redirected to', async () => {
    const seen: string[] = [];
    const second = await listen(
      (request, response) => {
        seen.push(request.headers.authorization ?? 'no password');
        showPeer(request, response);
      },
      good,
      authority.pair.cert,
    );
    const first = await listen(
      (request, response) => {
        seen.push(request.headers.authorization ?? 'no password');
        response.writeHead(302, { location: `https://localhost:${second}/` }).end();
      },
      good,
      authority.pair.cert,
    );
    const outcome = await get(`https://u:p@localhost:${first}/`, { ...trusting, client });
    expect(seen).to.deep.equal(['Basic dTpw', 'no password']);
    expect(outcome).to.equal('200 nobody');
  });

  it('follows five redirects and no sixth', async () => {
    const port = await listen((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end('there');
      else response.writeHead(307, { location: `/${left - 1}` }).end();
    });
    expect(await get(`http://127.0.0.1:${port}/5`)).to.equal('200 there');
    expect(await get(`http://127.0.0.1:${port}/6`)).to.match(/^TooManyRedirects/);
  });

  it('never follows from https to http', async () => {
    let reached = false;
    const plain = await listen((_request, response) => {
      reached = true;
      response.end();
    });
    const secure = await listen((_request, response) => {
      response.writeHead(301, { location: `http://127.0.0.1:${plain}/` }).end();
    }, good);
    expect(await get(`https://localhost:${secure}/`, trusting, true)).to.match(/^InsecureAddress/);
    expect(reached).to.equal(false);
  });
});

function showPeer(request: IncomingMessage, response: ServerResponse): void {
  const peer = request.socket instanceof TLSSocket ? request.socket.getPeerCertificate() : undefined;
  response.end(peer?.subject?.CN ?? 'nobody');
}
