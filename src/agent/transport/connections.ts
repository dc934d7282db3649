import type { LookupFunction } from 'node:net';
import { getCACertificates } from 'node:tls';
import { Agent } from 'undici';
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
    connect: {
      timeout: Math.min(CONNECT_TIMEOUT_MS, silenceMs),
      ...(ca !== undefined && { ca: typeof ca === 'string' ? ca : [...ca] }),
      ...client,
      ...(lookup !== undefined && { lookup }),
    },
  });

/** The system's own list of authorities; Node's built-in one where the system has none. */
export function systemRoots(): readonly string[] {
  const roots = getCACertificates('system');
  return roots.length === 0 ? getCACertificates('bundled') : roots;
}
