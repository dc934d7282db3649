import { InvariantError, StalledError, TransientError } from '../domain/errors.ts';
import { statusOf } from './api-errors.ts';
import { collectionPath, describeRef, objectPath } from './paths.ts';
import type { ApiCall, Transport } from './transport.ts';
import type { CallOptions, KubeClient, ObjectRef, Patch, Resource } from './types.ts';
import { isOtherObject, uidOf } from './uid.ts';

/** Sends a call within the caller's bounds. */
export type Call = (spec: Omit<ApiCall, 'timeoutMs' | 'signal'>, bounds?: CallOptions) => Promise<unknown>;

/** The calls that are about one object. */
export type ObjectCalls = Pick<KubeClient, 'get' | 'create' | 'patch' | 'patchStatus' | 'delete'>;

const DEFAULT_TIMEOUT_MS = 30_000;
const PATCH_TYPES = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

/** Fills in the default time limit. */
export const createCall =
  (transport: Transport): Call =>
  (spec, { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = {}) =>
    transport.request({ ...spec, timeoutMs, signal });

/** Makes the calls. `fieldManager` is the name under which the API server remembers what we set. */
export function createObjectCalls(call: Call, fieldManager: string): ObjectCalls {
  const get: ObjectCalls['get'] = async (resource, ref, bounds) => {
    const what = `get ${describeRef(resource, ref)}`;
    const raw = call({ what, method: 'GET', path: objectPath(resource, ref) }, bounds);
    const found = await raw.catch(unlessNotFound);
    return found === undefined ? undefined : resource.parse(found);
  };
  return {
    get,
    create: async (resource, body, bounds) => {
      const ref = refOf(body);
      const what = `create ${describeRef(resource, ref)}`;
      const path = collectionPath(resource, ref.namespace);
      const raw = await call({ what, method: 'POST', path, query: { fieldManager }, body }, bounds);
      return resource.parse(raw);
    },
    patch: async (resource, ref, change, bounds) =>
      resource.parse(await sendPatch(call, patchSpec(resource, ref, change, fieldManager), change, bounds)),
    patchStatus: async (resource, ref, change, bounds) => {
      const spec = patchSpec(resource, ref, change, fieldManager, 'status');
      return resource.parse(await sendPatch(call, spec, change, bounds));
    },
    delete: async (resource, ref, bounds) => {
      const preconditions = ref.uid && { preconditions: { uid: ref.uid } };
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...preconditions };
      const what = `delete ${describeRef(resource, ref)}`;
      const raw = call({ what, method: 'DELETE', path: objectPath(resource, ref), body }, bounds);
      await raw.catch(unlessNotFound).catch(async error => {
        if (!(await isOtherObject({ ...resource, parse: uidOf }, ref, error, get))) throw error;
      });
    },
  };
}

type PatchSpec = Parameters<Call>[0];

const patchSpec = (
  resource: Resource<unknown>,
  ref: ObjectRef,
  change: Patch,
  fieldManager: string,
  subresource?: string,
): PatchSpec => ({
  what: `patch ${describeRef(resource, ref)}${subresource ? `/${subresource}` : ''}`,
  method: 'PATCH',
  path: objectPath(resource, ref, subresource),
  query: patchQuery(change, fieldManager),
  body: change.body,
  contentType: PATCH_TYPES[change.type],
});

async function sendPatch(
  call: Call,
  spec: PatchSpec,
  change: Patch,
  bounds: CallOptions | undefined,
): Promise<unknown> {
  try {
    return await call(spec, bounds);
  } catch (error) {
    throw asConflict(change, error);
  }
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
