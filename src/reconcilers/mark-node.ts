import type { NodeState } from '../domain/node-state.ts';
import { type NodeMetadata, setNodeMetadata } from '../kube/node.ts';
import type { ControllerContext } from './context.ts';

/** Sets or removes labels and annotations of a node that nobody but this controller writes. */
export async function markNode(
  { client, signal, ownWrites }: ControllerContext,
  node: NodeState,
  wanted: NodeMetadata,
): Promise<void> {
  const written = await setNodeMetadata(client, node, wanted, { signal });
  ownWrites.note(node.uid, node.resourceVersion, written.resourceVersion);
}
