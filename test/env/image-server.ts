import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { sendBody } from './image-server-body.ts';
import { planBody, type ServerFault } from './image-server-faults.ts';

/** How to serve over TLS. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  /** Clients must show a certificate of this authority. */
  readonly clientCa?: string;
}

/** One request that was answered. */
export interface ServedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly status: number;
}

/** A web server for system images, on loopback. */
export interface ImageServer {
  /** `http://127.0.0.1:12345`, without a slash at the end. */
  readonly url: string;
  /** Requests in the order in which they came. */
  readonly requests: readonly ServedRequest[];
  /** Connections that were made, whether anything was asked for or not. */
  readonly connections: number;
  /** Bytes of bodies that were sent for a path. */
  bytesSent(path: string): number;
  /** Puts a file at a path, or another one in its place. */
  serve(path: string, file: string): void;
  /** Replaces the faults of a path, from the next request on; none makes it well again. Counts begin anew. */
  setFaults(path: string, ...faults: ServerFault[]): void;
  /** Hangs up on everybody and stops. */
  close(): Promise<void>;
}

/** Serves `files` (path → file on the disk) with ETag, Range and If-Range. */
export async function startImageServer(
  options: { readonly files?: Readonly<Record<string, string>>; readonly tls?: ServerTls } = {},
): Promise<ImageServer> {
  const site = new Site(options.files ?? {});
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    site.answer(request, response).catch(error => response.destroy(error));
  };
  const { tls } = options;
  const server =
    tls === undefined
      ? createHttpServer(listener)
      : createHttpsServer(
          { ...tls, ...(tls.clientCa && { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }) },
          listener,
        );
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`,
    requests: site.requests,
    get connections() {
      return connections;
    },
    bytesSent: path => site.sent.get(path) ?? 0,
    serve: (path, file) => void site.files.set(path, file),
    setFaults: (path, ...faults) => site.setFaults(path, faults),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

class Site {
  readonly requests: ServedRequest[] = [];
  readonly sent = new Map<string, number>();
  readonly files: Map<string, string>;
  readonly #faults = new Map<string, { faults: readonly ServerFault[]; served: number }>();

  constructor(files: Readonly<Record<string, string>>) {
    this.files = new Map(Object.entries(files));
  }

  setFaults(path: string, faults: readonly ServerFault[]): void {
    this.#faults.set(path, { faults, served: 0 });
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    response.on('error', () => undefined);
    try {
      await this.#answer(path, request, response);
    } finally {
      const { method = 'GET', headers } = request;
      this.requests.push({ method, path, headers, status: response.statusCode });
    }
  }

  async #answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const state = this.#faults.get(path) ?? { faults: [], served: 0 };
    const served = state.served++;
    const refusal = state.faults.find(fault => isRefusal(fault, served));
    if (refusal?.kind === 'status')
      return void response.writeHead(refusal.code).end(`status ${refusal.code}\n`);
    if (refusal?.kind === 'redirect') return void response.writeHead(302, { location: refusal.to }).end();
    const changed = state.faults.find(fault => fault.kind === 'change' && served >= fault.afterRequests);
    const file = changed?.kind === 'change' ? changed.toFile : this.files.get(path);
    if (file === undefined) return void response.writeHead(404).end('not found\n');
    const ignoreRange = state.faults.some(fault => fault.kind === 'ignoreRange');
    const range = await startResponse(request, response, file, ignoreRange);
    if (range === undefined) return;
    await sendBody(response, range, planBody(state.faults, range.startByte, served), bytes =>
      this.sent.set(path, (this.sent.get(path) ?? 0) + bytes),
    );
  }
}

const isRefusal = (fault: ServerFault, served: number): boolean =>
  fault.kind === 'redirect' ||
  (fault.kind === 'status' && served < (fault.times ?? Number.POSITIVE_INFINITY));

/** Writes the head of a response. Resolves to the bytes that are to follow, if any. */
async function startResponse(
  request: IncomingMessage,
  response: ServerResponse,
  file: string,
  ignoreRange: boolean,
): Promise<{ file: string; startByte: number; endByte: number } | undefined> {
  const { size, mtimeMs, ino } = await stat(file);
  const etag = `"${ino.toString(16)}-${Math.trunc(mtimeMs).toString(16)}-${size.toString(16)}"`;
  const { range: wanted, 'if-range': unless } = request.headers;
  const isWhole = ignoreRange || wanted === undefined || (unless !== undefined && unless !== etag);
  const [, first = '0', last] = (isWhole ? null : /^bytes=(\d+)-(\d*)$/.exec(wanted)) ?? [];
  const startByte = Number(first);
  const endByte = last ? Math.min(Number(last) + 1, size) : size;
  if (startByte >= endByte && size > 0) {
    response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    return undefined;
  }
  response.setHeader('etag', etag);
  response.setHeader('content-length', endByte - startByte);
  if (!ignoreRange) response.setHeader('accept-ranges', 'bytes');
  if (!isWhole) response.setHeader('content-range', `bytes ${startByte}-${endByte - 1}/${size}`);
  response.writeHead(isWhole ? 200 : 206);
  if (request.method === 'HEAD') {
    response.end();
    return undefined;
  }
  return { file, startByte, endByte };
}
