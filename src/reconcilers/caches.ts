import { AGENT_NAME, APP_LABEL } from '../api/monok8s/index.ts';
import { OSINSTANCE_NAMESPACE, UPSTREAM_PROXY_SELECTOR } from '../api/openeuler/index.ts';
import { createInformer } from '../kube/informer.ts';
import type { ListWatchClient } from '../kube/list-watch.ts';
import { NODES, OSES, OSINSTANCES, OSUPGRADE_PROGRESSES, OSUPGRADES, PODS } from '../kube/resources.ts';
import type { Informer, InformerChange, Resource, Selection } from '../kube/types.ts';
import type { ControllerContext } from './context.ts';
import type { Lister, World } from './fleet.ts';
import { mergeListers } from './merged-lister.ts';
import { createWakers, type Wakened } from './wakers.ts';

/** What the caches are made of. */
export interface CachesOptions
  extends Pick<ControllerContext, 'log' | 'clock' | 'random' | 'signal' | 'namespace' | 'osNamespaces'> {
  readonly client: ListWatchClient;
}

/** The caches, and what fills them. */
export interface Caches {
  readonly world: World;
  /** Resolves when all first lists have come. */
  start(): Promise<void>;
}

/** Makes the caches. Each change of one wakes the keys that have to be looked at. */
export function createCaches(options: CachesOptions, wakened: Wakened): Caches {
  const { client, log, clock, random, namespace } = options;
  const informers: Informer<unknown>[] = [];
  const follow = <T>(
    resource: Resource<T>,
    selection: Selection,
    onChange: (change: InformerChange<T>) => void,
  ): Lister<T> => {
    const informer = createInformer({ client, resource, selection, log, clock, random, onChange });
    informers.push(informer);
    return informer;
  };
  const wakers = createWakers(() => world, wakened);
  const agentPods = { namespace, labelSelector: `${APP_LABEL}=${AGENT_NAME}` };
  const osNamespaces = [...new Set(options.osNamespaces)];
  const ofOSes = osNamespaces.length === 0 ? [{}] : osNamespaces.map(name => ({ namespace: name }));
  const world: World = {
    nodes: follow(NODES, {}, wakers.onNode),
    instances: follow(OSINSTANCES, { namespace: OSINSTANCE_NAMESPACE }, wakers.onInstance),
    agentPods: follow(PODS, agentPods, wakers.onPod),
    upstreamProxies: follow(PODS, { labelSelector: UPSTREAM_PROXY_SELECTOR }, wakers.onPod),
    progresses: follow(OSUPGRADE_PROGRESSES, {}, wakers.onProgress),
    upgrades: follow(OSUPGRADES, {}, wakers.onRequest('OSUpgrade')),
    oses: mergeListers(ofOSes.map(selection => follow(OSES, selection, wakers.onRequest('OS')))),
  };
  return {
    world,
    start: async () => {
      await Promise.all(informers.map(informer => informer.start(options.signal)));
    },
  };
}
