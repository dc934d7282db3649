import type { LookupFunction } from 'node:net';
import { getCACertificates } from 'node:tls';
import { Agent, buildConnector } from 'undici';
import { errnoOf } from '../../domain/errno.ts';
import type { ClientCredentials } from '../../tls/client-credentials.ts';

const CONNECT_TIMEOUT_MS = 10_000;

/** How connections to one kind of server are made. */
export interface ConnectionOptions {
  /** A server that is silent for so long is given up. */
  readonly silenceMs: number;
  /** Authorities (PEM) that alone are trusted; absent for plain http. */
  readonly ca?: string | readonly string[] | undefined;
  readonly client?: ClientCredentials['client'] | undefined;
  /** Finds the addresses of a name, and may refuse them. */
  readonly lookup?: LookupFunction | undefined;
}

/** Connections of one purpose, so that nothing of one image is shared with another. */
export const newAgent = ({ silenceMs, ca, client, lookup }: ConnectionOptions): Agent =>
  new Agent({
    allowH2: false,
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    connect: minding({
      timeout: Math.min(CONNECT_TIMEOUT_MS, silenceMs),
      ...(ca !== undefined && { ca: typeof ca === 'string' ? ca : [...ca] }),
      ...client,
      ...(lookup !== undefined && { lookup }),
    }),
  });

/**
 * Since TLS 1.3 a server refuses a client's certificate after the handshake, with an alert that stands before the end
 * of the connection. The end alone, which would be worth another try, must not hide it.
 */
function minding(options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector(options);
  return (target, done) =>
    connect(target, (...result) => {
      const [, socket] = result;
      socket?.on('error', error => {
        if (errnoOf(error).includes('_ALERT_')) socket.destroy();
      });
      done(...result);
    });
}

/** The system's own list of authorities; Node's built-in one where the system has none. */
export function systemRoots(): readonly string[] {
  const roots = getCACertificates('system');
  return roots.length === 0 ? getCACertificates('bundled') : roots;
}
