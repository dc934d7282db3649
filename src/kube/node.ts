import { CORDONED_BY_ANNOTATION } from '../api/monok8s/index.ts';
import type { NodeFacts } from '../domain/node.ts';
import { NODES } from './resources.ts';
import type { CallOptions, JsonPatchOperation, KubeClient } from './types.ts';

/** Labels and annotations to set; `null` removes one. */
export interface NodeMetadata {
  readonly labels?: Readonly<Record<string, string | null>>;
  readonly annotations?: Readonly<Record<string, string | null>>;
}

/** `a/b~c` as a part of a JSON pointer. */
const pointerPart = (text: string): string => text.replaceAll('~', '~0').replaceAll('/', '~1');

const ANNOTATION_PATH = `/metadata/annotations/${pointerPart(CORDONED_BY_ANNOTATION)}`;

/**
 * Takes a node out of scheduling for a progress object, and remembers that it was us. A node that someone else
 * cordoned stays theirs: nothing is sent, and `uncordon` leaves it alone.
 * @returns the node as it is now
 * @throws TransientError `Conflict` when the node changed since `node` was read
 */
export async function cordon(
  client: KubeClient,
  node: NodeFacts,
  progressName: string,
  options?: CallOptions,
): Promise<NodeFacts> {
  const owner = node.annotations[CORDONED_BY_ANNOTATION];
  const isForeign = node.unschedulable && owner === undefined;
  if (isForeign || (node.unschedulable && owner === progressName)) return node;
  const body = {
    metadata: {
      uid: node.uid,
      resourceVersion: node.resourceVersion,
      annotations: { [CORDONED_BY_ANNOTATION]: progressName },
    },
    spec: { unschedulable: true },
  };
  return client.patch(NODES, { name: node.name }, { type: 'merge', body }, options);
}

/**
 * Gives a node that we cordoned back to scheduling, and takes labels away with it. One that we did not cordon is left
 * as it is.
 * @param labels names of labels that the node has
 * @returns the node as it is now
 * @throws TransientError `Conflict` when another node or another owner of the cordon is found there
 */
export async function uncordon(
  client: KubeClient,
  node: NodeFacts,
  labels: readonly string[] = [],
  options?: CallOptions,
): Promise<NodeFacts> {
  const owner = node.annotations[CORDONED_BY_ANNOTATION];
  if (owner === undefined) return node;
  const body: JsonPatchOperation[] = [
    { op: 'test', path: '/metadata/uid', value: node.uid },
    { op: 'test', path: ANNOTATION_PATH, value: owner },
    { op: 'remove', path: ANNOTATION_PATH },
    // `add` also replaces; `remove` would fail where someone uncordoned the node already.
    { op: 'add', path: '/spec/unschedulable', value: false },
    ...labels.flatMap(removalOf),
  ];
  return client.patch(NODES, { name: node.name }, { type: 'json', body }, options);
}

/** Removes a label, also if someone else was quicker. */
function removalOf(label: string): JsonPatchOperation[] {
  const path = `/metadata/labels/${pointerPart(label)}`;
  return [
    { op: 'add', path, value: '' },
    { op: 'remove', path },
  ];
}

/** The part of `wanted` that the node does not have yet. */
function changesOf(
  current: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string | null>> = {},
): Record<string, string | null> | undefined {
  const changes = Object.entries(wanted).filter(([name, value]) => (current[name] ?? null) !== value);
  return changes.length > 0 ? Object.fromEntries(changes) : undefined;
}

/**
 * Sets or removes labels and annotations of a node, for names that only one program writes: what else has changed there
 * since `node` was read does not matter. Nothing is sent if the node has them already.
 * @returns the node as it is now
 * @throws TransientError `Conflict` when another node of the same name is found there
 */
export async function setNodeMetadata(
  client: KubeClient,
  node: NodeFacts,
  wanted: NodeMetadata,
  options?: CallOptions,
): Promise<NodeFacts> {
  const labels = changesOf(node.labels, wanted.labels);
  const annotations = changesOf(node.annotations, wanted.annotations);
  if (!labels && !annotations) return node;
  const body = {
    metadata: { uid: node.uid, ...(labels && { labels }), ...(annotations && { annotations }) },
  };
  return client.patch(NODES, { name: node.name }, { type: 'merge', body }, options);
}
