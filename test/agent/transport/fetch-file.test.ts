import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { expect } from 'chai';
import { FileChangedError, fetchFile } from '../../../src/agent/transport/fetch-file.ts';
import { createHttpClient } from '../../../src/agent/transport/http-client.ts';
import { reasonOf } from '../../../src/domain/errors.ts';

const FILE = Buffer.from('0123456789'.repeat(1000));
type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** Sends the beginning of a body and hangs up. */
const cut =
  (headers: Record<string, string>, from: number, bytes: number, status = 200): Answer =>
  (_request, response) => {
    response.writeHead(status, { 'content-length': String(FILE.length - from), ...headers });
    response.write(FILE.subarray(from, from + bytes), () => response.socket?.destroySoon());
  };
const whole =
  (headers: Record<string, string> = {}): Answer =>
  (_request, response) =>
    void response.writeHead(200, { 'content-length': String(FILE.length), ...headers }).end(FILE);
const part =
  (from: number, headers: Record<string, string> = {}, total = FILE.length): Answer =>
  (_request, response) => {
    const range = `bytes ${from}-${FILE.length - 1}/${total}`;
    response.writeHead(206, { 'content-range': range, ...headers }).end(FILE.subarray(from));
  };
const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_request, response) =>
    void response.writeHead(code, headers).end();

describe('fetching a file', () => {
  let server: Server;
  let answers: Answer[] = [];
  let requests: IncomingMessage['headers'][] = [];
  let waits: number[] = [];

  beforeEach(async () => {
    [answers, requests, waits] = [[], [], []];
    server = createServer((request, response) => {
      requests.push(request.headers);
      const answer = answers.shift() ?? status(500);
      answer(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const fetchAll = async (...script: Answer[]): Promise<Buffer> => {
    answers = script;
    const address = server.address();
    const url = new URL(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/f`);
    const client = createHttpClient({ url, flagSafe: true, credentials: {}, silenceMs: 2000 });
    let nowMs = 0;
    const source = fetchFile({
      client,
      timing: {
        clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
        random: () => 1,
        delay: async ms => {
          waits.push(ms);
          nowMs += ms;
        },
      },
      stallMs: 100_000,
      signal: new AbortController().signal,
      onTotal: () => undefined,
      onRetry: () => undefined,
    });
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of source) chunks.push(chunk);
      return Buffer.concat(chunks);
    } finally {
      await client.close();
    }
  };
  const ending = (...script: Answer[]) =>
    fetchAll(...script).then(
      bytes => (bytes.equals(FILE) ? 'whole' : 'wrong bytes'),
      (error: unknown) => (error instanceof FileChangedError ? 'changed' : reasonOf(error)),
    );

  const TAG = { etag: '"1"' };
  for (const { what, script, want } of [
    { what: 'a part after a drop', script: [cut(TAG, 0, 4000), part(4000, TAG)], want: 'whole' },
    { what: 'a part without any tag', script: [cut({}, 0, 4000), part(4000)], want: 'whole' },
    { what: 'everything again, with the same tag', script: [cut(TAG, 0, 4000), whole(TAG)], want: 'whole' },
    { what: 'everything again, without a tag', script: [cut({}, 0, 4000), whole()], want: 'changed' },
    {
      what: 'everything again, with another tag',
      script: [cut(TAG, 0, 4000), whole({ etag: '"2"' })],
      want: 'changed',
    },
    {
      what: 'a part with another tag',
      script: [cut(TAG, 0, 4000), part(4000, { etag: '"2"' })],
      want: 'changed',
    },
    { what: 'a part of another length', script: [cut({}, 0, 4000), part(4000, {}, 99_999)], want: 'changed' },
    { what: 'another part than asked for', script: [cut(TAG, 0, 4000), part(3000, TAG)], want: 'changed' },
    { what: '412', script: [cut(TAG, 0, 4000), status(412)], want: 'changed' },
    { what: '416', script: [cut(TAG, 0, 4000), status(416)], want: 'changed' },
    { what: 'a file that vanished', script: [cut(TAG, 0, 4000), status(404)], want: 'NotFound' },
    { what: 'a part that nobody asked for', script: [part(0)], want: 'AddressUnsupported' },
    { what: 'no bytes at first', script: [cut(TAG, 0, 0), whole({ etag: '"2"' })], want: 'whole' },
    { what: 'everything, after 503 and 429', script: [status(503), status(429), whole()], want: 'whole' },
  ]) {
    it(`${want}: ${what}`, async () => expect(await ending(...script)).to.equal(want));
  }

  it('says why it begins anew', async () => {
    const nameless = fetchAll(cut({}, 0, 4000), whole({}));
    expect(await nameless.then(() => '', String)).to.contain('neither ETag nor Last-Modified');
    const changed = fetchAll(cut(TAG, 0, 4000), whole({ etag: '"2"' }));
    expect(await changed.then(() => '', String)).to.contain('changed while it was fetched');
  });

  it('asks for the rest of the same file', async () => {
    await fetchAll(cut(TAG, 0, 4000), part(4000, TAG));
    expect([requests[1]?.range, requests[1]?.['if-range'], requests[1]?.['accept-encoding']]).to.deep.equal([
      'bytes=4000-',
      '"1"',
      'identity',
    ]);
  });

  it('waits longer with each failure, as long as the server asks, and tries once more at the limit', async () => {
    expect(await ending(status(503), status(503), status(503, { 'retry-after': '40' }))).to.equal(
      'DownloadStalled',
    );
    expect(waits.slice(0, 4)).to.deep.equal([500, 1000, 40_000, 4000]);
    expect(waits.reduce((sum, ms) => sum + ms, 0)).to.equal(100_000);
    expect(requests.length).to.equal(waits.length + 1);
  });
});
