import type { Agent, Dispatcher } from 'undici';
import { publicAddress } from '../address.ts';
import { newAgent, systemRoots } from '../connections.ts';
import { classifyFailure } from '../failures.ts';
import type { Endpoint } from './endpoints.ts';
import { createGuard } from './guard.ts';

/** What is asked for. */
export interface Asked {
  readonly method?: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** Connections to one registry host, and to those that it leads to. */
export interface EndpointConnections {
  /** Tells whether an address is the endpoint itself, which alone gets credentials. */
  isOwn(url: URL): boolean;
  /** @throws StalledError or TransientError, sorted out */
  send(url: URL, asked: Asked): Promise<Dispatcher.ResponseData>;
  close(): Promise<void>;
}

/** Opens no connection yet. */
export function createConnections({ base, trust, caDir }: Endpoint, silenceMs: number): EndpointConnections {
  // What the folder of a registry names is trusted beside the system's authorities, as Docker and containerd do.
  let ca: readonly string[] | undefined;
  const authorities = () => {
    ca ??= [...systemRoots(), ...trust.ca];
    return ca;
  };
  let own: Agent | undefined;
  let foreign: Agent | undefined;
  const guard = createGuard(base.hostname);
  const advice = {
    authority: `put the authority's certificate into ${caDir} as ca.crt`,
    client: `put the client's certificate into ${caDir} as client.cert and client.key`,
    plain: `if it is meant to be plain http, say so in ${caDir}/hosts.toml: server = "http://${base.host}"`,
  };
  // The scheme too, so that a client certificate and a password go nowhere else.
  const isOwn = (url: URL) => url.host === base.host && url.protocol === base.protocol;
  const agentFor = (url: URL): Agent => {
    const trusted = url.protocol === 'https:' ? authorities() : undefined;
    if (isOwn(url)) {
      own ??= newAgent({ silenceMs, ca: trusted, client: trust.client });
      return own;
    }
    guard.check(url);
    foreign ??= newAgent({ silenceMs, ca: authorities(), lookup: guard.lookup });
    return foreign;
  };
  return {
    isOwn,
    send: async (url, { method = 'GET', headers, body, signal }) => {
      try {
        return await agentFor(url).request({
          origin: url.origin,
          path: url.pathname + url.search,
          method,
          headers: { 'accept-encoding': 'identity', 'user-agent': 'twinslot-agent', ...headers },
          ...(body !== undefined && { body }),
          signal,
        });
      } catch (error) {
        signal.throwIfAborted();
        throw classifyFailure(error, publicAddress(url), advice);
      }
    },
    close: async () => {
      await Promise.all([own?.destroy(), foreign?.destroy()]);
    },
  };
}
