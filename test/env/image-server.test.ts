import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Agent, request } from 'undici';
import { createAuthority } from './control-plane-certificates.ts';
import { type ImageServer, startImageServer } from './image-server.ts';
import type { ServerFault } from './image-server-faults.ts';

const CONTENT = randomBytes(300_000);

describe('the image server', () => {
  let dir: string;
  let server: ImageServer;
  let client: Agent;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'image-server-'));
    await writeFile(join(dir, 'image'), CONTENT);
    await writeFile(join(dir, 'other'), 'other');
  });
  beforeEach(async () => {
    server = await startImageServer({ files: { '/image': join(dir, 'image') } });
    client = new Agent({ bodyTimeout: 300 });
  });
  afterEach(() => Promise.all([server.close(), client.destroy()]));
  after(() => rm(dir, { recursive: true }));

  /** Fetches; the body is what came until the connection broke. */
  async function fetch(
    headers: Record<string, string> = {},
    url = `${server.url}/image`,
    dispatcher = client,
  ) {
    const answer = await request(url, { dispatcher, headers });
    const chunks: Buffer[] = [];
    const broke = await answer.body
      .on('data', chunk => chunks.push(chunk))
      .toArray()
      .then(
        () => undefined,
        error => String(error.code),
      );
    return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks), broke };
  }
  const faulty = (...faults: ServerFault[]): void => server.setFaults('/image', ...faults);

  it('serves a file, the rest of it, and all of it when it changed', async () => {
    const whole = await fetch();
    expect(whole.status).to.equal(200);
    expect(whole.body.equals(CONTENT)).to.equal(true);
    const etag = String(whole.headers.etag);
    const rest = await fetch({ range: 'bytes=1000-', 'if-range': etag });
    expect(rest.status).to.equal(206);
    expect(rest.body.equals(CONTENT.subarray(1000))).to.equal(true);
    expect(rest.headers['content-range']).to.equal('bytes 1000-299999/300000');
    expect((await fetch({ range: 'bytes=1000-', 'if-range': '"old"' })).status).to.equal(200);
    expect((await fetch({ range: 'bytes=300000-' })).status).to.equal(416);
    expect(server.requests.map(entry => entry.status)).to.deep.equal([200, 206, 200, 416]);
    expect(server.bytesSent('/image')).to.equal(899_000);
  });

  it('truncates where it is told, for ever', async () => {
    faulty({ kind: 'truncate', atBytes: 70_000 });
    const first = await fetch();
    expect(first.headers['content-length']).to.equal('300000');
    expect(first.body.length).to.equal(70_000);
    expect(first.broke).not.to.equal(undefined);
    expect((await fetch({ range: 'bytes=70000-' })).body.length).to.equal(0);
  });

  it('drops each connection, so that resuming gets it all', async () => {
    faulty({ kind: 'drop', everyBytes: 100_000 });
    const parts: Buffer[] = [];
    for (let have = 0; have < CONTENT.length; have += parts.at(-1)?.length ?? 0) {
      parts.push((await fetch({ range: `bytes=${have}-` })).body);
    }
    expect(parts.map(part => part.length)).to.deep.equal([100_000, 100_000, 100_000]);
    expect(Buffer.concat(parts).equals(CONTENT)).to.equal(true);
  });

  it('stalls, keeping the connection', async () => {
    faulty({ kind: 'stall', atBytes: 5000 });
    const { body, broke } = await fetch();
    expect(body.length).to.equal(5000);
    expect(broke).to.equal('UND_ERR_BODY_TIMEOUT');
  });

  it('answers with an error as often as it is told', async () => {
    faulty({ kind: 'status', code: 503, times: 2 });
    expect([(await fetch()).status, (await fetch()).status, (await fetch()).status]).to.deep.equal([
      503, 503, 200,
    ]);
  });

  it('flips a byte, ignores ranges, redirects, changes the file, is slow', async () => {
    faulty({ kind: 'wrongByte', atBytes: 99 }, { kind: 'ignoreRange' });
    const wrong = await fetch({ range: 'bytes=50-' });
    expect(wrong.status).to.equal(200);
    expect(wrong.body[99]).to.equal((CONTENT[99] ?? 0) ^ 1);
    faulty({ kind: 'redirect', to: 'http://127.0.0.1:1/' });
    expect((await fetch()).headers.location).to.equal('http://127.0.0.1:1/');
    faulty({ kind: 'change', afterRequests: 1, toFile: join(dir, 'other') });
    const before = await fetch();
    const after = await fetch({ range: 'bytes=10-', 'if-range': String(before.headers.etag) });
    expect([after.status, after.body.toString()]).to.deep.equal([200, 'other']);
    faulty({ kind: 'slow', bytesPerSecond: 3_000_000 });
    const startMs = performance.now();
    await fetch();
    expect(performance.now() - startMs).to.be.greaterThan(80);
  });

  it('serves over TLS, to those with a certificate if it is told so', async () => {
    const authority = createAuthority();
    const { certificatePem: cert, keyPem: key } = authority.issue({
      commonName: 'images',
      ipAddresses: ['127.0.0.1'],
    });
    const files = { '/image': join(dir, 'image') };
    const tls = { cert, key, clientCa: authority.certificatePem };
    const secure = await startImageServer({ files, tls });
    const own = authority.issue({ commonName: 'node' });
    const ca = authority.certificatePem;
    const known = new Agent({ connect: { ca, cert: own.certificatePem, key: own.keyPem } });
    const stranger = new Agent({ connect: { ca } });
    try {
      expect((await fetch({}, `${secure.url}/image`, known)).status).to.equal(200);
      const refused = await fetch({}, `${secure.url}/image`, stranger).catch(error => error);
      expect(refused).to.be.instanceOf(Error);
    } finally {
      await Promise.all([known.destroy(), stranger.destroy(), secure.close()]);
    }
  });
});
