import { setTimeout as delay } from 'node:timers/promises';
import { ApiError, type NodeApi } from './node-api.ts';
import { type Pod, runningStatus } from './node-objects.ts';
import { persist, RETRY_MS } from './persist.ts';

/** What a node does about its pods. */
export interface PodHandler {
  /** A pod runs now, or runs again after a boot. */
  onRunning(pod: Pod): Promise<void>;
  /** A pod has been stopped and is about to be removed. */
  onStopped(pod: Pod): Promise<void>;
  /** Milliseconds that a pod takes to end; `undefined`: it never does. */
  removalDelayMs(pod: Pod): number | undefined;
}

/** Runs the pods that are bound to a node and removes those that terminate, until the signal. */
export async function followPods(
  nodeName: string,
  api: NodeApi,
  handler: PodHandler,
  signal: AbortSignal,
): Promise<void> {
  const seen = new Map<string, 'running' | 'ending'>();
  const atWork = new Set<Promise<void>>();
  const see = (pod: Pod): void => {
    const work = act(pod, seen, { api, handler, signal });
    atWork.add(work);
    void work.finally(() => atWork.delete(work));
  };
  const query = `/api/v1/pods?fieldSelector=spec.nodeName=${nodeName}`;
  while (!signal.aborted) {
    try {
      const list = await api.call<{ metadata: { resourceVersion: string }; items: Pod[] }>('GET', query);
      for (const pod of list.items) see(pod);
      const version = list.metadata.resourceVersion;
      await api.watch<Pod>(
        `${query}&watch=1&resourceVersion=${version}`,
        (type, pod) => {
          if (type === 'ADDED' || type === 'MODIFIED') see(pod);
          if (type === 'ERROR') throw new Error('the watch is too old');
        },
        signal,
      );
    } catch {
      // Whatever it was, the next list tells the truth.
    }
    await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
  await Promise.all(atWork);
}

interface PodContext {
  readonly api: NodeApi;
  readonly handler: PodHandler;
  readonly signal: AbortSignal;
}

async function act(pod: Pod, seen: Map<string, 'running' | 'ending'>, context: PodContext): Promise<void> {
  const { uid, deletionTimestamp } = pod.metadata;
  const known = seen.get(uid);
  if (deletionTimestamp !== undefined && known !== 'ending') {
    seen.set(uid, 'ending');
    await persist(() => unlessGone(remove(pod, context)), context.signal);
  } else if (known === undefined && !['Succeeded', 'Failed'].includes(pod.status?.phase ?? '')) {
    seen.set(uid, 'running');
    await persist(() => unlessGone(run(pod, context)), context.signal);
  }
}

/** A pod that was removed, or replaced by another of its name, needs nothing more. */
const unlessGone = (call: Promise<void>): Promise<void> =>
  call.catch(error => {
    if (!(error instanceof ApiError && [404, 409].includes(error.status))) throw error;
  });

const pathOf = ({ metadata }: Pod): string =>
  `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;

async function run(pod: Pod, { api, handler }: PodContext): Promise<void> {
  await api.call('PATCH', `${pathOf(pod)}/status`, {
    type: 'strategic-merge-patch+json',
    content: { metadata: { uid: pod.metadata.uid }, ...runningStatus(pod) },
  });
  await handler.onRunning(pod);
}

async function remove(pod: Pod, { api, handler, signal }: PodContext): Promise<void> {
  const delayMs = handler.removalDelayMs(pod);
  if (delayMs === undefined) return;
  await delay(delayMs, undefined, { signal });
  await handler.onStopped(pod);
  const content = { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } };
  await api.call('DELETE', pathOf(pod), { content });
}
