import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Agent, type Dispatcher } from 'undici';
import type { Credential } from './control-plane-certificates.ts';
import type { Registry } from './registry.ts';

/** What a proxy does to what it passes on. Positions are those in the blob, whichever part of it is asked for. */
export type ProxyFault =
  /** The connection breaks after so many bytes of a blob. */
  | { readonly kind: 'drop'; readonly everyBytes: number; readonly times?: number }
  /** Nothing more of a blob is sent from this position on, and the connection stays. */
  | { readonly kind: 'stall'; readonly atByte: number }
  /** A byte of each blob is flipped. */
  | { readonly kind: 'corrupt'; readonly atByte: number }
  /** A part of a blob is asked for, and all of it comes. */
  | { readonly kind: 'ignoreRange' }
  /** Blobs are at another address, which the path is added to. */
  | { readonly kind: 'redirect'; readonly to: string; readonly status?: number }
  /** Headers of answers are replaced, or taken away by `undefined`. */
  | {
      readonly kind: 'headers';
      readonly path: RegExp;
      readonly set: Readonly<Record<string, string | undefined>>;
    }
  /** An answer of its own. */
  | {
      readonly kind: 'answer';
      readonly path: RegExp;
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Buffer;
      readonly times?: number;
    };

/** One request that came. */
export interface ProxiedRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly status: number;
}

/** A server between a registry and those who pull. */
export interface RegistryProxy {
  /** `127.0.0.1:23456` */
  readonly host: string;
  readonly url: string;
  readonly requests: readonly ProxiedRequest[];
  /** Connections that are open now. */
  connections(): Promise<number>;
  /** Replaces the faults; counts begin anew. */
  setFaults(...faults: ProxyFault[]): void;
  close(): Promise<void>;
}

/** How a proxy is set up. */
export interface ProxyOptions {
  /** Serves https with this certificate. */
  readonly tls?: Credential;
  /** Asks the registry as a user who may everything, as a CDN does. */
  readonly isTrusted?: boolean;
  /** Address to listen on. Default 127.0.0.1. */
  readonly address?: string;
}

/** Passes everything on to `registry`, save what the faults change. */
export async function startRegistryProxy(
  registry: Registry,
  options: ProxyOptions = {},
): Promise<RegistryProxy> {
  const relay = new Relay(registry, options);
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    relay.answer(request, response).catch(() => response.destroy());
  };
  const { tls, address = '127.0.0.1' } = options;
  const server =
    tls === undefined
      ? createServer(listener)
      : createTlsServer({ cert: tls.certificatePem, key: tls.keyPem }, listener);
  server.listen(0, address);
  await once(server, 'listening');
  const at = server.address();
  const host = `${address.includes(':') ? `[${address}]` : address}:${typeof at === 'object' ? at?.port : ''}`;
  return {
    host,
    url: `${tls === undefined ? 'http' : 'https'}://${host}`,
    requests: relay.requests,
    connections: () => countConnections(server),
    setFaults: (...faults) => relay.setFaults(faults),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await relay.close();
    },
  };
}

const countConnections = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });

class Relay {
  readonly requests: ProxiedRequest[] = [];
  readonly #registry: Registry;
  readonly #agent: Agent;
  readonly #isTrusted: boolean;
  #faults: { fault: ProxyFault; used: number }[] = [];

  constructor(registry: Registry, { isTrusted = false }: ProxyOptions) {
    this.#registry = registry;
    this.#isTrusted = isTrusted;
    this.#agent = new Agent({ connect: { ca: registry.authority?.certificatePem } });
  }

  setFaults(faults: readonly ProxyFault[]): void {
    this.#faults = faults.map(fault => ({ fault, used: 0 }));
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    const note = (status: number): void => {
      this.requests.push({ path, headers: request.headers, status });
    };
    const own = this.#ownAnswer(path);
    if (own !== undefined) {
      note(own.status);
      response.writeHead(own.status, own.headers).end(own.body);
      return;
    }
    const upstream = await this.#ask(request, path);
    note(upstream.statusCode);
    const headers = this.#headers(path, upstream);
    response.writeHead(upstream.statusCode, headers);
    const isBlob = path.includes('/blobs/') && upstream.statusCode < 300;
    await (isBlob ? this.#sendBlob(upstream, response) : send(upstream, response));
  }

  #use<K extends ProxyFault['kind']>(
    kind: K,
    matches: (fault: Extract<ProxyFault, { kind: K }>) => boolean = () => true,
  ): Extract<ProxyFault, { kind: K }> | undefined {
    for (const entry of this.#faults) {
      const { fault } = entry;
      if (!isKind(fault, kind) || !matches(fault)) continue;
      const times = 'times' in fault ? (fault.times ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
      if (entry.used >= times) continue;
      // A drop counts once it has happened: the blob may be shorter.
      if (kind !== 'drop') entry.used++;
      return fault;
    }
    return undefined;
  }

  #ownAnswer(path: string) {
    const answer = this.#use('answer', fault => fault.path.test(path));
    if (answer !== undefined)
      return { status: answer.status, headers: { ...answer.headers }, body: answer.body };
    const redirect = path.includes('/blobs/') ? this.#use('redirect') : undefined;
    if (redirect === undefined) return undefined;
    return {
      status: redirect.status ?? 307,
      headers: { location: `${redirect.to}${path}?signed=yes` },
      body: '',
    };
  }

  async #ask(request: IncomingMessage, path: string): Promise<Dispatcher.ResponseData> {
    const { host: _, range, authorization, connection: __, ...headers } = request.headers;
    const isRanged = range !== undefined && this.#use('ignoreRange') === undefined;
    const repository = /^\/v2\/(.+)\/(?:blobs|manifests)\//.exec(path)?.[1] ?? '';
    const shown = this.#isTrusted ? this.#registry.authorization(repository) : authorization;
    return this.#agent.request({
      origin: this.#registry.url,
      path,
      method: 'GET',
      headers: {
        ...headers,
        ...(isRanged && { range }),
        ...(shown !== undefined && { authorization: shown }),
      },
    });
  }

  #headers(path: string, { headers }: Dispatcher.ResponseData): Record<string, string | string[]> {
    const change = this.#use('headers', fault => fault.path.test(path));
    const entries = Object.entries({ ...headers, ...change?.set });
    const kept = entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
    return Object.fromEntries(kept);
  }

  async #sendBlob(upstream: Dispatcher.ResponseData, response: ServerResponse): Promise<void> {
    const start = Number(/^bytes (\d+)-/.exec(String(upstream.headers['content-range']))?.[1] ?? '0');
    const drop = this.#use('drop');
    const dropAt = start + (drop?.everyBytes ?? Number.POSITIVE_INFINITY);
    const stallAt = this.#use('stall')?.atByte ?? Number.POSITIVE_INFINITY;
    const corruptAt = this.#use('corrupt')?.atByte ?? -1;
    const endAt = Math.min(dropAt, stallAt);
    let at = start;
    for await (const chunk of upstream.body) {
      const bytes = Buffer.from(chunk).subarray(0, Math.max(0, endAt - at));
      const flipped = bytes[corruptAt - at];
      if (flipped !== undefined) bytes[corruptAt - at] = flipped ^ 1;
      await write(response, bytes);
      at += chunk.length;
      if (at >= endAt) break;
    }
    if (at < endAt) response.end();
    else if (endAt === dropAt) {
      for (const entry of this.#faults) if (entry.fault === drop) entry.used++;
      response.socket?.destroySoon();
    }
  }
}

const isKind = <K extends ProxyFault['kind']>(
  fault: ProxyFault,
  kind: K,
): fault is Extract<ProxyFault, { kind: K }> => fault.kind === kind;

async function send(upstream: Dispatcher.ResponseData, response: ServerResponse): Promise<void> {
  for await (const chunk of upstream.body) await write(response, chunk);
  response.end();
}

const write = (response: ServerResponse, bytes: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    response.write(bytes, error => (error == null ? resolve() : reject(error)));
  });
