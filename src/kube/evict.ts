import { statusOf } from './api-errors.ts';
import type { Call } from './object-calls.ts';
import { objectPath } from './paths.ts';
import type { CallOptions, EvictionAnswer, KubeClient, Resource } from './types.ts';
import { isOtherObject, uidOf } from './uid.ts';

const POD_UIDS: Resource<string> = {
  group: '',
  version: 'v1',
  plural: 'pods',
  kind: 'Pod',
  namespaced: true,
  parse: uidOf,
};

/** What an eviction needs of the client. */
export interface EvictionCalls {
  readonly call: Call;
  readonly get: KubeClient['get'];
}

/** Evicts a pod, and only that very pod. `accepted` means that it will go, not that it is gone. */
export async function evict(
  pod: { namespace: string; name: string; uid: string },
  { call, get }: EvictionCalls,
  bounds?: CallOptions,
): Promise<EvictionAnswer> {
  const spec = {
    what: `evict pods/${pod.namespace}/${pod.name}`,
    method: 'POST',
    path: objectPath(POD_UIDS, pod, 'eviction'),
    body: {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: pod.name, namespace: pod.namespace },
      deleteOptions: { preconditions: { uid: pod.uid } },
    },
  } as const;
  try {
    await call(spec, bounds);
    return { outcome: 'accepted' };
  } catch (error) {
    const answer = answerOf(error);
    if (answer) return answer;
    if (await isOtherObject(POD_UIDS, pod, error, get)) return { outcome: 'gone' };
    throw error;
  }
}

/** What a refused eviction means; `undefined` if it is a failure of another kind. */
export function answerOf(error: unknown): EvictionAnswer | undefined {
  const status = statusOf(error);
  if (status?.code === 404 && status.isStatus) return { outcome: 'gone' };
  const cause = status?.causes.find(
    c => c.reason === 'DisruptionBudget' || c.reason === 'NamespaceTerminating',
  );
  if (!status || !cause) return undefined;
  const budget = /disruption budget (\S+)/i.exec(cause.message)?.[1];
  return { outcome: 'refused', ...(budget && { budget }), message: cause.message || status.message };
}
