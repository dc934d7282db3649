import { OSINSTANCE_NAMESPACE, OSINSTANCE_NODE_LABEL } from '../../api/openeuler/index.ts';
import { NODES, OSINSTANCES } from '../../kube/resources.ts';
import type { ControllerContext } from '../context.ts';
import type { NodeAction } from './decision.ts';

/** Says in a node's OSInstance what is done there, for clients of upstream KubeOS, and ties it to its node. */
export async function tellInstance(
  { client, signal, ownWrites }: ControllerContext,
  { node, instance, spec }: Extract<NodeAction, { type: 'instance' }>,
): Promise<void> {
  const { uid, resourceVersion, isOwnedByNode } = instance;
  const owner = { apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid };
  const labels = { [OSINSTANCE_NODE_LABEL]: node.name };
  const body = {
    // The spec is ours alone: what the agent reports meanwhile does not matter. Owners are a list that is replaced.
    metadata: { uid, ...(isOwnedByNode ? {} : { resourceVersion, ownerReferences: [owner], labels }) },
    ...(spec && { spec: { namespacedname: null, ...spec } }),
  };
  const ref = { name: node.name, namespace: OSINSTANCE_NAMESPACE };
  const written = await client.patch(OSINSTANCES, ref, { type: 'merge', body }, { signal });
  ownWrites.note(uid, resourceVersion, written.metadata.resourceVersion);
}

/** Removes what upstream KubeOS left of a node that is gone; our own goes with its node by itself. */
export async function deleteStrayInstance(
  { client, signal, log }: ControllerContext,
  name: string,
): Promise<void> {
  const ref = { name, namespace: OSINSTANCE_NAMESPACE };
  const instance = await client.get(OSINSTANCES, ref, { signal });
  if (instance?.metadata.labels?.[OSINSTANCE_NODE_LABEL] !== name) return;
  // A cache may lag behind: asks the API server itself before anything is thrown away. The node last, as one of the same
  // name may be joining: what was found before is not its instance.
  if ((await client.get(NODES, { name }, { signal })) !== undefined) return;
  await client.delete(OSINSTANCES, { ...ref, uid: instance.metadata.uid }, { signal });
  log.info('OSInstance of a node that is gone removed', { node: name });
}
