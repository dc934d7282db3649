import { Agent, type Dispatcher } from 'undici';
import { errnoOf } from '../domain/errno.ts';
import { messageOf, StalledError, TransientError } from '../domain/errors.ts';
import { parseStatus, statusOf, toError } from './api-errors.ts';
import type { Connection } from './connection.ts';
import { startDeadline } from './deadline.ts';

/** One HTTP call to the API server. */
export interface ApiCall {
  /** The call in words, for messages: `list nodes`. */
  readonly what: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Record<string, string>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
  /** Of a stream: called when the server has accepted it, before anything came. */
  readonly onOpen?: (() => void) | undefined;
}

/** The one way to the API server: a pool of kept connections that knows our identity. */
export interface Transport {
  /** The parsed answer. @throws TransientError, StalledError as `KubeClient` documents */
  request(call: ApiCall): Promise<unknown>;
  /** The answer's JSON lines as they come, until the server ends it. Ended early by the signal or `timeoutMs`. */
  stream(call: ApiCall): AsyncGenerator<unknown, void, undefined>;
  close(): Promise<void>;
}

/** Bounds of the pool. */
export interface TransportOptions {
  readonly userAgent: string;
  /** Each running watch holds one connection of HTTP/1.1. */
  readonly maxConnections: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
// The API server ends idle connections after 90 s; ending them before that avoids a race with its close.
const IDLE_CONNECTION_MS = 60_000;
const TCP_KEEPALIVE_MS = 15_000;

/** Opens no connection yet. */
export function createTransport(connection: Connection, options: TransportOptions): Transport {
  const agent = createAgent(connection, options.maxConnections);
  const send = createSend(agent, connection, options.userAgent);

  /** A refused token may only be outdated; a kept connection may have ended while it was idle. Both are tried once more. */
  const open = async (call: ApiCall, signal: AbortSignal): Promise<Dispatcher.ResponseData> => {
    try {
      return await send(call, signal, false);
    } catch (error) {
      const isRefused = statusOf(error)?.code === 401;
      const isBroken = call.method === 'GET' && isBrokenConnection(error);
      if (signal.aborted || !(isRefused || isBroken)) throw error;
      return send(call, signal, isRefused);
    }
  };

  return {
    request: async call => {
      const deadline = startDeadline(call.timeoutMs, call.signal);
      try {
        return await deadline.race(open(call, deadline.signal).then(readBody));
      } catch (error) {
        throw toCallError(call, error, deadline.isLate, connection.server);
      } finally {
        deadline.end();
      }
    },
    async *stream(call) {
      const deadline = startDeadline(call.timeoutMs, call.signal);
      try {
        const { body } = await deadline.race(open(call, deadline.signal));
        call.onOpen?.();
        yield* jsonLines(body);
      } catch (error) {
        throw toCallError(call, error, deadline.isLate, connection.server);
      } finally {
        deadline.end();
      }
    },
    close: () => agent.destroy(),
  };
}

function createAgent({ tls }: Connection, maxConnections: number): Agent {
  return new Agent({
    connections: maxConnections,
    allowH2: false,
    keepAliveTimeout: IDLE_CONNECTION_MS,
    headersTimeout: 0,
    // An idle watch is silent for minutes, and that is right.
    bodyTimeout: 0,
    connect: {
      ...tls,
      timeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      // Finds a peer that vanished without a word: libuv then probes every second, ten times.
      keepAliveInitialDelay: TCP_KEEPALIVE_MS,
    },
  });
}

type Send = (call: ApiCall, signal: AbortSignal, isStale: boolean) => Promise<Dispatcher.ResponseData>;

/** One try, with our identity. A refusal is thrown. */
function createSend(agent: Agent, connection: Connection, userAgent: string): Send {
  const { origin, pathname } = new URL(connection.server);
  return async (call, signal, isStale) => {
    const authorization = await connection.authorization(isStale);
    const query = new URLSearchParams(call.query).toString();
    const response = await agent.request({
      origin,
      path: `${pathname.replace(/\/$/, '')}${call.path}${query && `?${query}`}`,
      method: call.method,
      headers: {
        accept: 'application/json',
        'user-agent': userAgent,
        ...(authorization && { authorization }),
        ...(call.body !== undefined && { 'content-type': call.contentType ?? 'application/json' }),
      },
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal,
    });
    if (response.statusCode < 300) return response;
    throw toError(call.what, parseStatus(response.statusCode, await readBody(response)));
  };
}

async function readBody(response: Dispatcher.ResponseData): Promise<unknown> {
  const text = await response.body.text();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function* jsonLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    if (!rest.includes('\n')) continue;
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') yield JSON.parse(line);
  }
}

const BROKEN_CODES = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'];

const isBrokenConnection = (error: unknown): boolean => BROKEN_CODES.includes(errnoOf(error));

function toCallError(call: ApiCall, error: unknown, isLate: boolean, server: string): unknown {
  if (statusOf(error) || error instanceof StalledError) return error;
  if (call.signal?.aborted) return new TransientError('Aborted', `${call.what}: ended by us`);
  if (isLate) {
    const text = `${call.what}: no answer from ${server} within ${call.timeoutMs} ms`;
    return new TransientError('ApiTimeout', text);
  }
  const text = `${call.what}: cannot reach the API server at ${server} (${errnoOf(error) || messageOf(error)})`;
  return new TransientError('ApiUnreachable', text, { cause: error });
}
