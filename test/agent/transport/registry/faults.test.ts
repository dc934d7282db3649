import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { messageOf } from '../../../../src/domain/errors.ts';
import { type Registry, startRegistry } from '../../../env/registry.ts';
import { type RegistryProxy, startRegistryProxy } from '../../../env/registry-proxy.ts';
import { type PushedImage, pushImage, sha256 } from '../../../env/registry-push.ts';
import { eventually } from '../../../env/wait.ts';
import { createPuller, type Puller, readAll } from './puller.ts';

const TAR = randomBytes(2_000_000);
const EVERYTHING = /./;

describe('pulling over a bad network', () => {
  let registry: Registry;
  let proxy: RegistryProxy;
  let puller: Puller;
  let pushed: PushedImage;
  let reference: string;
  before(async () => {
    registry = await startRegistry({ tls: true, auth: 'token' });
    pushed = await pushImage(registry, {
      repository: 'os',
      tag: 'v1',
      platforms: [{ layers: [{ tar: TAR }] }],
    });
  });
  beforeEach(async () => {
    proxy = await startRegistryProxy(registry);
    reference = `${proxy.host}/os:v1`;
    puller = createPuller();
    puller.login(registry, proxy.host);
  });
  afterEach(async () => {
    puller.remove();
    await proxy.close();
  });
  after(() => registry.stop());

  const blobRequests = () =>
    proxy.requests.filter(({ path }) => path.includes(pushed.layers[0]?.[0]?.digest ?? 'no digest'));
  const ranges = () =>
    blobRequests()
      .filter(({ status }) => status < 300)
      .map(({ headers, status }) => `${status} ${headers.range ?? ''}`);

  it('goes on inside a blob after each broken connection', async () => {
    proxy.setFaults({ kind: 'drop', everyBytes: 600_000 });
    expect((await puller.pull(reference)).map(sha256)).to.deep.equal([sha256(TAR)]);
    expect(ranges()).to.deep.equal(['200 ', '206 bytes=600000-', '206 bytes=1200000-', '206 bytes=1800000-']);
    expect(puller.retries).to.have.length(3);
    expect(blobRequests()[0]?.headers).not.to.have.property('if-range');
  });

  it('goes on where the server sends nothing to recognise the blob by', async () => {
    const set = { etag: undefined, 'docker-content-digest': undefined, 'content-length': undefined };
    proxy.setFaults({ kind: 'drop', everyBytes: 700_000 }, { kind: 'headers', path: /blobs/, set });
    expect((await puller.pull(reference)).map(sha256)).to.deep.equal([sha256(TAR)]);
    expect(ranges()).to.deep.equal(['200 ', '206 bytes=700000-', '206 bytes=1400000-']);
  });

  it('skips what is there already when the server ignores ranges', async () => {
    proxy.setFaults({ kind: 'ignoreRange' }, { kind: 'drop', everyBytes: 1_500_000, times: 1 });
    expect((await puller.pull(reference)).map(sha256)).to.deep.equal([sha256(TAR)]);
    expect(ranges()).to.deep.equal(['200 ', '200 bytes=1500000-']);
  });

  it('asks for everything when the server says that the range is none', async () => {
    const image = await puller.open(reference);
    proxy.setFaults(
      { kind: 'drop', everyBytes: 1_500_000, times: 1 },
      { kind: 'headers', path: /blobs/, set: {} },
    );
    const bytes = image.layers[0]?.open();
    const first = await bytes?.next();
    proxy.setFaults({ kind: 'answer', path: /blobs/, status: 416, times: 1 }, { kind: 'ignoreRange' });
    const rest = bytes === undefined ? Buffer.alloc(0) : await readAll(bytes);
    await image.close();
    expect(sha256(Buffer.concat([first?.value ?? Buffer.alloc(0), rest]))).to.equal(sha256(TAR));
  });

  it('gives up when no new byte comes', async () => {
    proxy.setFaults({ kind: 'stall', atByte: 1_000_000 });
    const end = await puller.ending(reference, { stallMs: 3000 });
    expect(end).to.match(/^DownloadStalled: no new byte came for 3 s; last: .*stopped sending/);
  });

  it('gives up when each connection breaks at the same byte', async () => {
    proxy.setFaults({ kind: 'ignoreRange' }, { kind: 'drop', everyBytes: 500_000 });
    expect(await puller.ending(reference, { stallMs: 20_000 })).to.match(/^DownloadStalled/);
  });

  for (const [status, headers] of [
    [500, {}],
    [503, {}],
    [429, { 'retry-after': '1' }],
    [408, {}],
  ] as const)
    it(`tries again after ${status}, be it manifest or blob`, async () => {
      proxy.setFaults(
        { kind: 'answer', path: /manifests/, status, headers, times: 2 },
        { kind: 'answer', path: /blobs/, status, headers, times: 2 },
      );
      expect(await puller.ending(reference)).to.equal('pulled');
      expect(puller.retries).to.have.length(4);
    });

  it('says that the registry limits what is pulled, and for how long nothing came', async () => {
    proxy.setFaults({ kind: 'answer', path: EVERYTHING, status: 429, headers: { 'retry-after': '3600' } });
    expect(await puller.ending(reference, { stallMs: 20_000 })).to.match(
      /^DownloadStalled: .*limits how much/,
    );
  });

  it('finds one wrong byte', async () => {
    proxy.setFaults({ kind: 'corrupt', atByte: 1_999_999 });
    expect(await puller.ending(reference)).to.match(/^ChecksumMismatch: the blob sha256:/);
  });

  for (const length of ['1999999', '2000001', '0'])
    it(`refuses a blob of ${length} bytes before the first of them`, async () => {
      const image = await puller.open(reference);
      const body = Buffer.alloc(Number(length));
      proxy.setFaults({
        kind: 'answer',
        path: /blobs/,
        status: 200,
        body,
        headers: { 'content-length': length },
      });
      const first = await image.layers[0]
        ?.open()
        .next()
        .then(() => 'a byte', messageOf);
      await image.close();
      expect(first).to.contain(`has ${length} bytes`).and.to.contain('instead of the 2000000');
    });

  it('refuses a blob that goes on and on', async () => {
    const image = await puller.open(reference);
    const headers = { 'transfer-encoding': 'chunked' };
    proxy.setFaults({ kind: 'answer', path: /blobs/, status: 200, headers, body: Buffer.concat([TAR, TAR]) });
    const layer = image.layers[0];
    const end = layer && (await readAll(layer.open()).then(() => 'read', messageOf));
    await image.close();
    expect(end).to.contain('has more than the 2000000 bytes');
  });

  it('refuses a page instead of a blob', async () => {
    const image = await puller.open(reference, { stallMs: 20_000 });
    const headers = { 'content-type': 'text/html; charset=utf-8' };
    proxy.setFaults({
      kind: 'answer',
      path: /blobs/,
      status: 200,
      headers,
      body: '<html>Please log in</html>',
    });
    const layer = image.layers[0];
    const end = layer && (await readAll(layer.open()).then(() => 'read', messageOf));
    await image.close();
    expect(end).to.contain('web page instead of the blob').and.not.to.contain('log in');
  });

  it('fetches blobs where the registry keeps them, without the password', async () => {
    const cdn = await startRegistryProxy(registry, { isTrusted: true });
    try {
      proxy.setFaults({ kind: 'redirect', to: cdn.url });
      cdn.setFaults({ kind: 'drop', everyBytes: 900_000 });
      expect((await puller.pull(reference)).map(sha256)).to.deep.equal([sha256(TAR)]);
      expect(proxy.requests.some(({ headers }) => headers.authorization !== undefined)).to.equal(true);
      expect(cdn.requests.map(({ headers }) => headers.authorization)).to.deep.equal(
        cdn.requests.map(() => undefined),
      );
      expect(cdn.requests.map(({ headers }) => headers.range).slice(-2)).to.deep.equal([
        'bytes=900000-',
        'bytes=1800000-',
      ]);
    } finally {
      await cdn.close();
    }
  });

  it('does not log in where a redirect leads to', async () => {
    const cdn = await startRegistryProxy(registry);
    try {
      proxy.setFaults({ kind: 'redirect', to: cdn.url });
      const challenge = `Bearer realm="${cdn.url}/token",service="x"`;
      for (const value of [challenge, 'Basic realm="x"']) {
        const headers = { 'www-authenticate': value };
        cdn.setFaults({ kind: 'answer', path: /./, status: 401, headers });
        expect(await puller.ending(reference, { stallMs: 20_000 })).to.match(
          /^DownloadStalled: .*after a redirect/,
        );
      }
      expect(cdn.requests.every(({ path }) => path.includes('/blobs/'))).to.equal(true);
      expect(cdn.requests.some(({ headers }) => headers.authorization !== undefined)).to.equal(false);
    } finally {
      await cdn.close();
    }
  });

  it('follows a few redirects, and no circle', async () => {
    proxy.setFaults({ kind: 'redirect', to: proxy.url });
    expect(await puller.ending(reference)).to.match(/^TooManyRedirects/);
    proxy.setFaults({
      kind: 'answer',
      path: /manifests/,
      status: 302,
      headers: { location: '/v2/os/manifests/v1' },
    });
    expect(await puller.ending(reference)).to.match(/^TooManyRedirects/);
  });

  it('follows no redirect from https to http', async () => {
    const certificate = registry.authority?.issue({ commonName: 'proxy', ipAddresses: ['127.0.0.1'] });
    const secure = await startRegistryProxy(registry, certificate && { tls: certificate });
    try {
      puller.login(registry, secure.host);
      puller.trust(registry, secure.host);
      expect(await puller.ending(`${secure.host}/os:v1`)).to.equal('pulled');
      secure.setFaults({ kind: 'redirect', to: proxy.url });
      const before = proxy.requests.length;
      expect(await puller.ending(`${secure.host}/os:v1`)).to.match(/^InsecureAddress: .*https to http/);
      expect(proxy.requests.length).to.equal(before);
    } finally {
      await secure.close();
    }
  });

  it('follows no redirect to what hands out credentials', async () => {
    proxy.setFaults({ kind: 'redirect', to: 'http://169.254.169.254' });
    expect(await puller.ending(reference)).to.match(/^AddressForbidden/);
  });

  it('stops at once when it is told to, wherever it is', async () => {
    for (const path of [/manifests/, /blobs/]) {
      const stop = new AbortController();
      proxy.setFaults({ kind: 'answer', path, status: 503 });
      const end = puller.ending(reference, {
        signal: stop.signal,
        stallMs: 600_000,
        onRetry: () => stop.abort(),
      });
      expect(await end).to.contain('aborted');
    }
    const stop = new AbortController();
    proxy.setFaults({ kind: 'stall', atByte: 1_000_000 });
    const image = await puller.open(reference, { signal: stop.signal, stallMs: 600_000 });
    const layer = image.layers[0];
    const reading = layer && readAll(layer.open()).then(() => 'read', messageOf);
    await eventually(() => ranges().length > 0, {
      timeoutMs: 5000,
      everyMs: 10,
      what: 'the blob is asked for',
    });
    stop.abort();
    expect(await Promise.race([reading, sleep(1000, 'still reading', { ref: false })])).to.contain('aborted');
    await image.close();
  });

  it('leaves no connection behind, closed in the middle, nobody reading', async () => {
    // Shorter than idle connections are kept.
    const gone = () =>
      eventually(async () => (await proxy.connections()) === 0, {
        timeoutMs: 2000,
        everyMs: 20,
        what: 'nothing is connected',
      });
    proxy.setFaults({ kind: 'stall', atByte: 1_000_000 });
    const image = await puller.open(reference);
    const bytes = image.layers[0]?.open();
    await bytes?.next();
    await image.close();
    await gone();
    const end = bytes && readAll(bytes).then(() => 'read', messageOf);
    expect(await Promise.race([end, sleep(2000, 'still trying', { ref: false })])).to.contain('aborted');
    proxy.setFaults({ kind: 'answer', path: /manifests/, status: 404 });
    expect(await puller.ending(reference)).to.match(/^NotFound/);
    await gone();
  });
});
