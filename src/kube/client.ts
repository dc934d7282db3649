import type { Logger } from 'winston';
import { InvariantError, messageOf, reasonOf, StalledError, TransientError } from '../domain/errors.ts';
import { statusOf } from './api-errors.ts';
import type { Connection } from './connection.ts';
import { evict } from './evict.ts';
import { createListWatch, type ListWatchClient } from './list-watch.ts';
import { collectionPath, describeRef, objectPath } from './paths.ts';
import { type ApiCall, createTransport } from './transport.ts';
import type { CallOptions, KubeClient, ObjectRef, Patch, Resource } from './types.ts';
import { isOtherObject, uidOf } from './uid.ts';

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

const DEFAULT_TIMEOUT_MS = 30_000;
const PATCH_TYPES = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

/** Makes the client; the first call connects. `close` ends its connections. */
export function createKubeClient(connection: Connection, options: KubeClientOptions): FullKubeClient {
  const { userAgent = 'twinslot', maxConnections = 32, log } = options;
  const transport = createTransport(connection, { userAgent, maxConnections });
  const fieldManager = userAgent.split('/')[0] ?? userAgent;
  const call = (spec: Omit<ApiCall, 'timeoutMs' | 'signal'>, bounds: CallOptions = {}) =>
    transport.request({ ...spec, timeoutMs: bounds.timeoutMs ?? DEFAULT_TIMEOUT_MS, signal: bounds.signal });
  const lists = createListWatch(transport);

  const patch = async <T>(resource: Resource<T>, ref: ObjectRef, change: Patch, opts: PatchOptions) => {
    const raw = call(
      {
        what: `patch ${describeRef(resource, ref)}${opts.subresource ? `/${opts.subresource}` : ''}`,
        method: 'PATCH',
        path: objectPath(resource, ref, opts.subresource),
        query: patchQuery(change, fieldManager),
        body: change.body,
        contentType: PATCH_TYPES[change.type],
      },
      opts.bounds,
    );
    return resource.parse(await raw.catch(error => Promise.reject(asConflict(change, error))));
  };

  const get = async <T>(resource: Resource<T>, ref: ObjectRef, bounds?: CallOptions) => {
    const what = `get ${describeRef(resource, ref)}`;
    const raw = call({ what, method: 'GET', path: objectPath(resource, ref) }, bounds);
    const found = await raw.catch(unlessNotFound);
    return found === undefined ? undefined : resource.parse(found);
  };

  return {
    ...lists,
    get,
    list: async (resource, selection, bounds) => {
      const { items } = await lists.listMapped(resource, selection, parseOrLog(resource, log), bounds);
      return items.filter(item => item !== undefined);
    },
    create: async (resource, body, bounds) => {
      const ref = refOf(body);
      const what = `create ${describeRef(resource, ref)}`;
      const path = collectionPath(resource, ref.namespace);
      return resource.parse(
        await call({ what, method: 'POST', path, query: { fieldManager }, body }, bounds),
      );
    },
    patch: (resource, ref, change, bounds) => patch(resource, ref, change, { bounds }),
    patchStatus: (resource, ref, change, bounds) =>
      patch(resource, ref, change, { bounds, subresource: 'status' }),
    delete: async (resource, ref, bounds) => {
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        ...(ref.uid && { preconditions: { uid: ref.uid } }),
      };
      const what = `delete ${describeRef(resource, ref)}`;
      const raw = call({ what, method: 'DELETE', path: objectPath(resource, ref), body }, bounds);
      await raw.catch(unlessNotFound).catch(async error => {
        if (!(await isOtherObject({ ...resource, parse: uidOf }, ref, error, get))) throw error;
      });
    },
    evict: (pod, bounds) => evict(pod, { call, get }, bounds),
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

interface PatchOptions {
  readonly bounds: CallOptions | undefined;
  readonly subresource?: string;
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

/** A missing object is an answer; a missing kind is not. */
function unlessNotFound(error: unknown): undefined {
  const status = statusOf(error);
  if (status?.code === 404 && status.isStatus) return undefined;
  throw error;
}

function refOf(body: object): ObjectRef {
  const { name, namespace } = (body as { metadata?: Partial<ObjectRef> }).metadata ?? {};
  if (!name) throw new InvariantError('an object is created without a name');
  return namespace ? { name, namespace } : { name };
}

const patchQuery = (change: Patch, fieldManager: string): Record<string, string> =>
  change.type === 'apply'
    ? { fieldManager: change.fieldManager, ...(change.force && { force: 'true' }) }
    : { fieldManager };

/**
 * A precondition that was not met is a conflict, but the API server calls two of them invalid: a `test` of a JSON
 * patch (then it names no cause), and another UID (then it names that field).
 */
function asConflict(change: Patch, error: unknown): unknown {
  const status = statusOf(error);
  if (!(error instanceof StalledError) || status?.code !== 422) return error;
  const hasTest = change.type === 'json' && change.body.some(operation => operation.op === 'test');
  const isOtherUid = status.causes.some(cause => cause.field === 'metadata.uid');
  if (!isOtherUid && !(hasTest && status.causes.length === 0)) return error;
  return new TransientError('Conflict', `${error.message}: the object changed under us`, { cause: status });
}

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
