import type { OSUpgrade, OSUpgradeProgress } from '../api/monok8s/index.ts';
import { type OS, OSINSTANCE_NAMESPACE, type OSInstance } from '../api/openeuler/index.ts';
import { nameOf } from '../domain/drain.ts';
import type { NodeFacts } from '../domain/node.ts';
import type { InstanceState, NodeState } from '../domain/node-state.ts';
import { type Claim, claimsOf } from '../domain/ownership.ts';
import type { PodFacts } from '../domain/pod.ts';
import type { Request } from '../domain/request.ts';
import { requestOfOS } from '../domain/request-os.ts';
import { requestOfOSUpgrade } from '../domain/request-osupgrade.ts';
import type { Informer } from '../kube/types.ts';

/** The reading side of an informer. */
export type Lister<T> = Pick<Informer<T>, 'get' | 'list'>;

/** The caches of the controller. */
export interface World {
  readonly nodes: Lister<NodeFacts>;
  readonly upgrades: Lister<OSUpgrade>;
  readonly oses: Lister<OS>;
  readonly progresses: Lister<OSUpgradeProgress>;
  readonly instances: Lister<OSInstance>;
  /** The agents' pods. */
  readonly agentPods: Lister<PodFacts>;
  /** The pods of upstream KubeOS's agents. */
  readonly upstreamProxies: Lister<PodFacts>;
}

/** The caches at one moment, put together. */
export interface Fleet {
  /** Sorted by name. */
  readonly nodes: readonly NodeState[];
  readonly nodesByName: ReadonlyMap<string, NodeState>;
  /** Of both APIs. */
  readonly requests: readonly Request[];
  readonly progresses: readonly OSUpgradeProgress[];
  readonly progressesByNode: ReadonlyMap<string, readonly OSUpgradeProgress[]>;
  readonly claims: readonly Claim[];
}

/** Gives the fleet as the caches have it at this moment. */
export interface FleetView {
  read(): Fleet;
}

/** Makes the view of a set of caches. It is put together anew only if one of them has changed. */
export function createFleetView(world: World): FleetView {
  let seen: readonly unknown[] = [];
  let fleet: Fleet | undefined;
  return {
    read: () => {
      // Not by their changes: those that touch nothing but a resource version are not told, and a write with the
      // version before would be a conflict for ever.
      const lists = Object.values(world).map(lister => lister.list());
      if (fleet === undefined || lists.some((list, index) => list !== seen[index])) {
        seen = lists;
        fleet = readFleet(world);
      }
      return fleet;
    },
  };
}

function readFleet(world: World): Fleet {
  const withAgent = new Set(
    world.agentPods
      .list()
      .filter(isThere)
      .map(pod => pod.nodeName),
  );
  const proxies = new Map(
    world.upstreamProxies
      .list()
      .filter(isThere)
      .map(pod => [pod.nodeName, nameOf(pod)]),
  );
  const nodes = world.nodes
    .list()
    .map(node => {
      const upstreamProxy = proxies.get(node.name);
      const state = toNodeState(node, withAgent.has(node.name), instanceOf(world, node));
      return upstreamProxy === undefined ? state : { ...state, upstreamProxy };
    })
    .toSorted((left, right) => (left.name < right.name ? -1 : 1));
  const progresses = world.progresses.list();
  const requests = [
    ...world.upgrades.list().map(requestOfOSUpgrade),
    ...world.oses.list().map(requestOfOS),
  ].filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  return {
    nodes,
    nodesByName: new Map(nodes.map(node => [node.name, node])),
    requests,
    progresses,
    progressesByNode: Map.groupBy(progresses, progress => progress.spec.nodeName),
    claims: claimsOf(requests),
  };
}

const isThere = (pod: PodFacts): boolean => pod.phase !== 'Succeeded' && pod.phase !== 'Failed';

const instanceOf = (world: World, node: NodeFacts): OSInstance | undefined =>
  world.instances.get({ name: node.name, namespace: OSINSTANCE_NAMESPACE });

function toNodeState(node: NodeFacts, hasAgentPod: boolean, instance: OSInstance | undefined): NodeState {
  const slots = instance?.status?.slots ?? [];
  return {
    ...node,
    hasAgentPod,
    hasReported: slots.length > 0 || instance?.status?.agentVersion !== undefined,
    version: slots.find(slot => slot.booted)?.version ?? '',
    otherPrettyName: slots.find(slot => !slot.booted)?.prettyName ?? '',
    agentBootId: instance?.status?.bootId ?? '',
    ...(instance && { instance: toInstanceState(instance, node) }),
    ...problemOf(instance),
  };
}

/** What the agent's condition `SlotsUsable` complains of. */
function problemOf(instance: OSInstance | undefined): Pick<NodeState, 'slotsProblem'> {
  const condition = instance?.status?.conditions?.find(({ type }) => type === 'SlotsUsable');
  if (condition?.status !== 'False') return {};
  return { slotsProblem: { reason: condition.reason, message: condition.message } };
}

const toInstanceState = ({ metadata, spec }: OSInstance, node: NodeFacts): InstanceState => ({
  uid: metadata.uid,
  resourceVersion: metadata.resourceVersion,
  spec,
  isOwnedByNode: metadata.ownerReferences?.some(({ uid }) => uid === node.uid) ?? false,
});
