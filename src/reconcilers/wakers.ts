import type { OSUpgradeProgress } from '../api/monok8s/index.ts';
import type { OSInstance } from '../api/openeuler/index.ts';
import type { NodeFacts } from '../domain/node.ts';
import type { PodFacts } from '../domain/pod.ts';
import { gateState, isAtGate } from '../domain/progress.ts';
import type { Request } from '../domain/request.ts';
import type { InformerChange, Workqueue } from '../kube/types.ts';
import { mattersToOthers, mattersToRollout, type RequestObject } from './changes.ts';
import type { World } from './fleet.ts';
import { allRequestKeys, requestKey } from './request/request-key.ts';

/** Who is told of changes. */
export interface Wakened {
  readonly requests: Pick<Workqueue, 'add'>;
  readonly nodes: Pick<Workqueue, 'add'>;
  onRequestGone(uid: string): void;
}

/** Says for each change of a cache which keys are to be looked at. */
export interface Wakers {
  onNode(change: InformerChange<NodeFacts>): void;
  onInstance(change: InformerChange<OSInstance>): void;
  onPod(change: InformerChange<PodFacts>): void;
  onProgress(change: InformerChange<OSUpgradeProgress>): void;
  onRequest(kind: Request['kind']): (change: InformerChange<RequestObject>) => void;
}

/** Makes them. `world` is asked for only when something changes. */
export function createWakers(world: () => World, { requests, nodes, onRequestGone }: Wakened): Wakers {
  const wakeRequests = (): void => {
    for (const key of allRequestKeys(world())) requests.add(key);
  };
  const wakeNode = (name = ''): void => {
    nodes.add(name);
    wakeRequests();
    // They may wait for the place of this one.
    for (const progress of world().progresses.list()) {
      if (isAtGate(progress) && gateState(progress) === 'Closed') nodes.add(progress.spec.nodeName);
    }
  };
  return {
    onNode: ({ before, after }) => wakeNode((after ?? before)?.name),
    onInstance: ({ before, after }) => wakeNode((after ?? before)?.metadata.name),
    onPod: ({ before, after }) => wakeNode((after ?? before)?.nodeName),
    onProgress: change => {
      if (mattersToRollout(change)) wakeNode((change.after ?? change.before)?.spec.nodeName);
    },
    onRequest: kind => change => {
      const { before, after } = change;
      if (after === undefined) onRequestGone(before?.metadata.uid ?? '');
      else requests.add(requestKey(kind, after.metadata));
      if (!mattersToOthers(change)) return;
      wakeRequests();
      for (const { spec } of world().progresses.list()) nodes.add(spec.nodeName);
    },
  };
}
