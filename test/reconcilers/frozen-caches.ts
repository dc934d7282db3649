import { createLogger, transports } from 'winston';
import type { OSUpgrade, OSUpgradeProgress } from '../../src/api/monok8s/index.ts';
import type { OS } from '../../src/api/openeuler/index.ts';
import type { NodeState } from '../../src/domain/node-state.ts';
import type { CallOptions, KubeClient, ObjectRef, Patch, Resource } from '../../src/kube/types.ts';
import type { ControllerContext } from '../../src/reconcilers/context.ts';
import type { Lister } from '../../src/reconcilers/fleet.ts';
import { createOwnWrites } from '../../src/reconcilers/own-writes.ts';
import { fleet, NOW_MS } from './objects.ts';

/** What the caches hold, and stay at until a test changes it. */
export interface Caches {
  nodes: readonly NodeState[];
  upgrades: readonly OSUpgrade[];
  oses: readonly OS[];
  progresses: readonly OSUpgradeProgress[];
}

/** A write, and what a test has to say about how it goes. */
export type OnWrite = (write: {
  readonly verb: string;
  readonly ref: ObjectRef;
  readonly body: object;
}) => unknown;

/**
 * What reconcilers work with while their caches lag behind: an order of events that no real API server can be made to
 * keep. A write makes resource version 2 of the object that the caches hold.
 */
export function frozenContext(caches: Caches, onWrite: OnWrite): ControllerContext {
  const write = async <T>(verb: string, resource: Resource<T>, ref: ObjectRef, body: object): Promise<T> => {
    await onWrite({ verb, ref, body });
    return resource.parse(verb === 'create' ? { ...body, metadata: CREATED } : written(caches, ref));
  };
  const client: KubeClient = {
    get: async () => undefined,
    list: async () => [],
    create: (resource, body) => write('create', resource, { name: 'created' }, body),
    patch: (resource, ref, { body }: Patch) => write('patch', resource, ref, body),
    patchStatus: (resource, ref, { body }: Patch) => write('patch status of', resource, ref, body),
    delete: async (_resource, ref) => void (await onWrite({ verb: 'delete', ref, body: {} })),
    evict: async () => ({ outcome: 'accepted' }),
    serverVersion: async (_options?: CallOptions) => 'v1.36.3',
    whoAmI: async () => ({ username: 'x', extra: {} }),
    close: async () => undefined,
  };
  return {
    client,
    world: {
      nodes: listerOf(
        () => caches.nodes,
        ({ name }) => name,
      ),
      upgrades: listerOf(
        () => caches.upgrades,
        ({ metadata }) => metadata.name,
      ),
      progresses: listerOf(
        () => caches.progresses,
        ({ metadata }) => metadata.name,
      ),
      oses: listerOf(
        () => caches.oses,
        ({ metadata }) => metadata.name,
      ),
      ...{ instances: NONE, agentPods: NONE, upstreamProxies: NONE },
    },
    fleet: { read: () => fleet(caches.nodes, [...caches.upgrades, ...caches.oses], caches.progresses) },
    events: { record: () => undefined, flush: async () => undefined },
    leadership: { remainingMs: () => 60_000, renew: async () => 60_000 },
    signal: new AbortController().signal,
    ownWrites: createOwnWrites(),
    clock: { nowMs: () => NOW_MS, monotonicMs: () => 0 },
    random: () => 0,
    log: createLogger({ silent: true, transports: [new transports.Console()] }),
    ...{ namespace: 'mono-system', osNamespaces: [], timeZone: 'UTC' },
  };
}

const CREATED = { name: 'created', uid: 'created', resourceVersion: '1' };
const NONE = { get: () => undefined, list: () => [] };

function listerOf<T>(list: () => readonly T[], nameOf: (item: T) => string): Lister<T> {
  return { get: ({ name }) => list().find(item => nameOf(item) === name), list };
}

/** The object as the API server answers it after a write. */
function written({ nodes, upgrades, oses, progresses }: Caches, { name }: ObjectRef): object {
  const object = [...upgrades, ...oses, ...progresses].find(({ metadata }) => metadata.name === name);
  const uid = object?.metadata.uid ?? nodes.find(node => node.name === name)?.uid ?? 'x';
  return { ...object, metadata: { name, uid, resourceVersion: '2' } };
}
