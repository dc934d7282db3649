import type { CoreV1Event, V1ConfigMap, V1Lease, V1Node, V1Pod } from '@kubernetes/client-node';
import * as monok8s from '../api/monok8s/index.ts';
import * as openeuler from '../api/openeuler/index.ts';
import type { NodeFacts } from '../domain/node.ts';
import type { PodFacts } from '../domain/pod.ts';
import { customResource } from './custom-resource.ts';
import { metaOf, timeText } from './object-meta.ts';
import type { Resource } from './types.ts';

/** What is read of a ConfigMap. */
export interface ConfigMapFacts {
  readonly name: string;
  readonly namespace: string;
  readonly data: Readonly<Record<string, string>>;
}

/** What is read of a Lease. */
export interface LeaseFacts {
  readonly name: string;
  readonly resourceVersion: string;
  /** Empty if nobody holds it. */
  readonly holder: string;
  readonly durationSeconds: number;
  readonly renewTime: string;
  readonly transitions: number;
}

/** What is read of an Event. */
export interface EventFacts {
  readonly name: string;
  readonly namespace: string;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count: number;
}

const builtIn = <T>(
  address: Pick<Resource<T>, 'group' | 'plural' | 'kind'> & { namespaced?: boolean },
  parse: (raw: unknown) => T,
): Resource<T> => ({ version: 'v1', namespaced: true, ...address, parse });

/** `OSUpgrade`: the request a user writes. */
export const OSUPGRADES = customResource({
  group: monok8s.GROUP,
  version: monok8s.VERSION,
  kind: 'OSUpgrade',
  plural: 'osupgrades',
  namespaced: false,
  spec: monok8s.OSUpgradeSpec,
  status: monok8s.OSUpgradeStatus,
});

/** `OSUpgradeProgress`: one node's part in a rollout. */
export const OSUPGRADE_PROGRESSES = customResource({
  group: monok8s.GROUP,
  version: monok8s.VERSION,
  kind: 'OSUpgradeProgress',
  plural: 'osupgradeprogresses',
  namespaced: false,
  spec: monok8s.OSUpgradeProgressSpec,
  status: monok8s.OSUpgradeProgressStatus,
});

/** `OS`: the request a KubeOS user writes. */
export const OSES = customResource({
  group: openeuler.GROUP,
  version: openeuler.VERSION,
  kind: 'OS',
  plural: 'os',
  namespaced: true,
  spec: openeuler.StoredOSSpec,
  status: openeuler.OSStatus,
});

/** `OSInstance`: what an agent reports of its node. */
export const OSINSTANCES = customResource({
  group: openeuler.GROUP,
  version: openeuler.VERSION,
  kind: 'OSInstance',
  plural: 'osinstances',
  namespaced: true,
  spec: openeuler.OSInstanceSpec,
  status: openeuler.OSInstanceStatus,
});

const isReady = (conditions: { type: string; status: string }[] | undefined): boolean =>
  conditions?.some(c => c.type === 'Ready' && c.status === 'True') ?? false;

/** Nodes, without the list of images and everything else that no rule looks at. */
export const NODES: Resource<NodeFacts> = builtIn(
  { group: '', plural: 'nodes', kind: 'Node', namespaced: false },
  raw => {
    const { metadata, spec, status } = raw as V1Node;
    const { name, uid, resourceVersion, labels = {}, annotations = {} } = metaOf(metadata);
    return {
      name,
      uid,
      resourceVersion,
      labels,
      annotations,
      unschedulable: spec?.unschedulable ?? false,
      ready: isReady(status?.conditions),
      bootId: status?.nodeInfo?.bootID ?? '',
      osImage: status?.nodeInfo?.osImage ?? '',
    };
  },
);

const POD_PHASES = ['Pending', 'Running', 'Succeeded', 'Failed'] as const;

function podFactsOf({ metadata: rawMeta, spec, status }: V1Pod): PodFacts {
  const { name, namespace = '', uid, resourceVersion, deletionTimestamp, labels = {} } = metaOf(rawMeta);
  const owner = rawMeta?.ownerReferences?.find(reference => reference.controller);
  const grace = spec?.terminationGracePeriodSeconds;
  return {
    name,
    namespace,
    uid,
    resourceVersion,
    nodeName: spec?.nodeName ?? '',
    labels,
    ...(owner && { ownerKind: owner.kind, ownerUid: owner.uid }),
    isMirror: rawMeta?.annotations?.['kubernetes.io/config.mirror'] !== undefined,
    hasEmptyDir: spec?.volumes?.some(volume => volume.emptyDir !== undefined) ?? false,
    phase: POD_PHASES.find(phase => phase === status?.phase) ?? 'Unknown',
    ...(deletionTimestamp && { deletionTimestamp }),
    ...(grace !== undefined && { terminationGracePeriodSeconds: grace }),
    serviceAccountName: spec?.serviceAccountName ?? '',
    image: spec?.containers[0]?.image ?? '',
    ready: isReady(status?.conditions),
  };
}

/** Pods, as far as draining and finding the agents needs them. */
export const PODS: Resource<PodFacts> = builtIn({ group: '', plural: 'pods', kind: 'Pod' }, raw =>
  podFactsOf(raw as V1Pod),
);

/** ConfigMaps, for catalogs. */
export const CONFIG_MAPS: Resource<ConfigMapFacts> = builtIn(
  { group: '', plural: 'configmaps', kind: 'ConfigMap' },
  raw => {
    const { metadata, data = {} } = raw as V1ConfigMap;
    const { name, namespace = '' } = metaOf(metadata);
    return { name, namespace, data };
  },
);

/** Leases, for leader election and for telling whether a controller is installed. */
export const LEASES: Resource<LeaseFacts> = builtIn(
  { group: 'coordination.k8s.io', plural: 'leases', kind: 'Lease' },
  raw => {
    const { metadata, spec } = raw as V1Lease;
    const { name, resourceVersion } = metaOf(metadata);
    return {
      name,
      resourceVersion,
      holder: spec?.holderIdentity ?? '',
      durationSeconds: spec?.leaseDurationSeconds ?? 0,
      renewTime: timeText(spec?.renewTime) ?? '',
      transitions: spec?.leaseTransitions ?? 0,
    };
  },
);

/** Events of the core group. */
export const EVENTS: Resource<EventFacts> = builtIn({ group: '', plural: 'events', kind: 'Event' }, raw => {
  const { metadata, type = '', reason = '', message = '', count = 1 } = raw as CoreV1Event;
  const { name, namespace = '' } = metaOf(metadata);
  return { name, namespace, type, reason, message, count };
});
