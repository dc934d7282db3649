import type { Logger } from 'winston';
import { messageOf, reasonOf } from '../domain/errors.ts';
import type { Connection } from './connection.ts';
import { evict } from './evict.ts';
import { createListWatch, type ListWatchClient } from './list-watch.ts';
import { createCall, createObjectCalls } from './object-calls.ts';
import { createTransport } from './transport.ts';
import type { KubeClient, Resource } from './types.ts';

/** How the client behaves. */
export interface KubeClientOptions {
  readonly log: Logger;
  /** Default `twinslot`. Its part before the first `/` is also the field manager of our patches. */
  readonly userAgent?: string;
  /** Connections at most; each running watch holds one. Default 32. */
  readonly maxConnections?: number;
}

/** The client that `createKubeClient` makes. */
export type FullKubeClient = KubeClient & ListWatchClient;

/** Makes the client; the first call connects. `close` ends its connections. */
export function createKubeClient(connection: Connection, options: KubeClientOptions): FullKubeClient {
  const { userAgent = 'twinslot', maxConnections = 32, log } = options;
  const transport = createTransport(connection, { userAgent, maxConnections });
  const lists = createListWatch(transport);
  const call = createCall(transport);
  const objects = createObjectCalls(call, userAgent.split('/')[0] ?? userAgent);
  return {
    ...lists,
    ...objects,
    list: async (resource, selection, bounds) => {
      const { items } = await lists.listMapped(resource, selection, parseOrLog(resource, log), bounds);
      return items.filter(item => item !== undefined);
    },
    evict: (pod, bounds) => evict(pod, { call, get: objects.get }, bounds),
    serverVersion: async bounds => {
      const raw = await call({ what: 'get the server version', method: 'GET', path: '/version' }, bounds);
      return textAt(raw, 'gitVersion');
    },
    whoAmI: async bounds => {
      const apiVersion = 'authentication.k8s.io/v1';
      const body = { apiVersion, kind: 'SelfSubjectReview' };
      const path = `/apis/${apiVersion}/selfsubjectreviews`;
      return identityOf(await call({ what: 'ask who we are', method: 'POST', path, body }, bounds));
    },
    close: () => transport.close(),
  };
}

const parseOrLog =
  <T>(resource: Resource<T>, log: Logger) =>
  (raw: unknown): T | undefined => {
    try {
      return resource.parse(raw);
    } catch (error) {
      log.warn('object left out: it is not what its schema promises', {
        kind: resource.kind,
        reason: reasonOf(error),
        error: messageOf(error),
      });
      return undefined;
    }
  };

function textAt(raw: unknown, field: string): string {
  const value = (raw as Record<string, unknown>)[field];
  return typeof value === 'string' ? value : '';
}

function identityOf(raw: unknown): { username: string; extra: Record<string, string[]> } {
  const { status } = raw as {
    status?: { userInfo?: { username?: string; extra?: Record<string, string[]> } };
  };
  return { username: status?.userInfo?.username ?? '', extra: status?.userInfo?.extra ?? {} };
}
