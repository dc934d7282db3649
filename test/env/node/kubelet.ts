import { setTimeout as delay } from 'node:timers/promises';
import { followPods, type PodHandler } from './kubelet-pods.ts';
import { ApiError, type NodeApi } from './node-api.ts';
import { leaseObject, type NodeSystem, nodeObject, nodeStatus } from './node-objects.ts';
import { persist } from './persist.ts';

const LEASE_EVERY_MS = 5_000;

/** Whom a kubelet stands in for. */
export interface KubeletOptions {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly api: NodeApi;
  readonly pods: PodHandler;
}

/** What a running kubelet can be told. */
export interface Kubelet {
  /** Changes whether the node says that it is ready. */
  setReady(isReady: boolean): Promise<void>;
  /** Ends all traffic, like a machine that goes down: the Node object stays as it is. */
  stop(): Promise<void>;
}

/**
 * Plays the kubelet of a node that has just booted: registers it, reports its status, renews its Lease, and runs and
 * removes its pods. Whatever fails is tried again until `stop`.
 */
export function startKubelet(options: KubeletOptions, system: NodeSystem, isReady: boolean): Kubelet {
  const { name, api } = options;
  const life = new AbortController();
  let ready = { is: false, sinceIso: new Date().toISOString() };
  const post = (): Promise<unknown> =>
    api.call('PATCH', `/api/v1/nodes/${name}/status`, {
      type: 'strategic-merge-patch+json',
      content: nodeStatus(name, system, ready.is, ready.sinceIso),
    });
  const setReady = async (is: boolean): Promise<void> => {
    if (is !== ready.is) ready = { is, sinceIso: new Date().toISOString() };
    await persist(post, life.signal);
  };
  const beat = async (): Promise<void> => {
    await persist(() => register(options), life.signal);
    // A kubelet that has just started is never ready at once.
    await persist(post, life.signal);
    if (isReady) await setReady(true);
    while (!life.signal.aborted) {
      await persist(() => renewLease(options), life.signal);
      await delay(LEASE_EVERY_MS, undefined, { signal: life.signal }).catch(() => undefined);
      await persist(post, life.signal);
    }
  };
  const work = [beat(), followPods(name, api, options.pods, life.signal)];
  return {
    setReady,
    async stop() {
      life.abort();
      await Promise.all(work);
    },
  };
}

async function register({ name, labels, api }: KubeletOptions): Promise<void> {
  try {
    await api.call('POST', '/api/v1/nodes', { content: nodeObject(name, labels) });
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 409)) throw error;
  }
}

async function renewLease({ name, api }: KubeletOptions): Promise<void> {
  const folder = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
  const content = leaseObject(name);
  try {
    await api.call('PATCH', `${folder}/${name}`, { type: 'merge-patch+json', content });
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
    await api.call('POST', folder, { content });
  }
}
