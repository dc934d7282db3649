import type { Logger } from 'winston';
import { messageOf, reasonOf, StalledError, TransientError } from '../../../domain/errors.ts';
import { ServerBusyError } from '../failures.ts';
import type { EndpointClient } from './endpoint-client.ts';

/** What a host may be asked for: which digest a tag stands for, or what a digest names. */
export type Ability = 'canResolve' | 'canPull';

/** The hosts of one registry, asked one after the other. */
export interface Hosts {
  /**
   * Does something at the first host that can do it.
   * @throws the error of the last one in the configured order, with the others named; a TransientError if one of them is
   */
  tryEach<T>(ability: Ability, act: (client: EndpointClient) => Promise<T>): Promise<T>;
  /** Asks a host after all others from now on. */
  demote(client: EndpointClient): void;
  close(): Promise<void>;
}

/** @param clients mirrors first, the registry itself last */
export function createHosts(clients: readonly EndpointClient[], log: Logger): Hosts {
  let order = [...clients];
  const demote = (client: EndpointClient) => {
    order = [...order.filter(other => other !== client), client];
  };
  return {
    tryEach: async (ability, act) => {
      const failures = new Map<EndpointClient, unknown>();
      for (const client of order.filter(({ endpoint }) => endpoint[ability])) {
        try {
          return await act(client);
        } catch (error) {
          if (!(error instanceof StalledError || error instanceof TransientError)) throw error;
          failures.set(client, error);
          if (clients.length === 1) throw error;
          log.warn('a registry host failed', {
            host: client.name,
            reason: reasonOf(error),
            problem: messageOf(error),
          });
          // One that does not answer must not cost time again with every layer.
          if (error instanceof TransientError) demote(client);
        }
      }
      throw combined(
        clients
          .filter(client => failures.has(client))
          .map(client => ({ client, error: failures.get(client) })),
      );
    },
    demote,
    close: async () => {
      await Promise.all(clients.map(client => client.close()));
    },
  };
}

function combined(failures: readonly { client: EndpointClient; error: unknown }[]): Error {
  const last = failures.at(-1);
  if (last === undefined) {
    return new StalledError(
      'RegistryConfigInvalid',
      'hosts.toml leaves no host with the capabilities "pull" and "resolve": add them to one',
    );
  }
  const others = failures.slice(0, -1).map(({ client, error }) => `${client.name}: ${messageOf(error)}`);
  if (others.length === 0) return last.error instanceof Error ? last.error : new Error(String(last.error));
  const message = `${messageOf(last.error)} (before: ${others.join('; ')})`;
  // Who fails only now may have what the others lack: a mirror that is restarted, say, of what is nowhere else.
  const passing = failures.find(({ error }) => error instanceof TransientError);
  const { error } = last.error instanceof StalledError && passing !== undefined ? passing : last;
  const options = { cause: error };
  if (error instanceof ServerBusyError) return new ServerBusyError(message, error.waitMs, options);
  return error instanceof StalledError
    ? new StalledError(error.reason, message, options)
    : new TransientError(reasonOf(error), message, options);
}
