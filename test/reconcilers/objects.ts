import {
  type DrainPolicy,
  type Gate,
  type OSUpgrade,
  type OSUpgradeProgress,
  type OSUpgradeProgressStatus,
  OSUpgradeSpec,
  type OSUpgradeStatus,
} from '../../src/api/monok8s/index.ts';
import { type OS, OSSpec, type OSStatus } from '../../src/api/openeuler/index.ts';
import type { NodeState } from '../../src/domain/node-state.ts';
import { claimsOf } from '../../src/domain/ownership.ts';
import type { PodFacts } from '../../src/domain/pod.ts';
import type { Request } from '../../src/domain/request.ts';
import { requestOfOS, rolloutKeyOfOS } from '../../src/domain/request-os.ts';
import { requestOfOSUpgrade } from '../../src/domain/request-osupgrade.ts';
import { rolloutKeyOf } from '../../src/domain/rollout-key.ts';
import type { Fleet } from '../../src/reconcilers/fleet.ts';

/** The moment of all tables. */
export const NOW = '2026-01-05T12:00:00Z';
export const NOW_MS = Date.parse(NOW);

/** A moment some seconds before `NOW`. */
export const ago = (seconds: number): string => new Date(NOW_MS - seconds * 1000).toISOString();

/** A Ready worker with an agent, which runs v1.34.1. */
export const node = (name: string, more: Partial<NodeState> = {}): NodeState => ({
  name,
  uid: `uid-of-${name}`,
  resourceVersion: '1',
  labels: { 'monok8s.io/managed': 'true' },
  annotations: {},
  unschedulable: false,
  ready: true,
  bootId: 'boot-1',
  osImage: 'x',
  hasReported: true,
  hasAgentPod: true,
  version: 'v1.34.1',
  agentBootId: 'boot-1',
  otherPrettyName: '',
  ...more,
});

/** A control-plane node. */
export const controlPlane = (name: string, more: Partial<NodeState> = {}): NodeState =>
  node(name, {
    labels: { 'monok8s.io/managed': 'true', 'node-role.kubernetes.io/control-plane': '' },
    ...more,
  });

export const IMAGE = {
  version: 'v1.35.1',
  url: 'https://a.example/i',
  checksum: `sha256:${'0123456789abcdef'.repeat(4)}`,
};

/** An accepted request for v1.35.1 on all nodes, in its first rollout. */
export function request(name: string, spec: object = {}, status: OSUpgradeStatus | null = {}): OSUpgrade {
  const parsed = OSUpgradeSpec.parse({ version: 'v1.35.1', catalog: { inline: 'images: []' }, ...spec });
  const accepted: OSUpgradeStatus = {
    phase: 'Accepted',
    observedGeneration: 1,
    rollout: 1,
    rolloutKey: rolloutKeyOf(parsed),
    rolloutStartedAt: ago(1000),
    resolvedVersion: 'v1.35.1',
    image: IMAGE,
    ...status,
  };
  return {
    apiVersion: 'monok8s.io/v1alpha1',
    kind: 'OSUpgrade',
    metadata: { name, uid: `uid-of-${name}`, resourceVersion: '1', generation: 1 },
    spec: parsed,
    ...(status === null ? {} : { status: accepted }),
  };
}

/** What a progress object is made from. */
export interface ProgressToMake {
  readonly of?: string;
  /** Kind of the request; one of an `OS` is in namespace `default`. */
  readonly kind?: 'OSUpgrade' | 'OS';
  readonly on: string;
  readonly rollout?: number;
  readonly gate?: Partial<Gate>;
  readonly drain?: DrainPolicy;
  readonly status?: OSUpgradeProgressStatus;
  readonly retryNonce?: string;
  /** Seconds since it was created. Default 500. */
  readonly age?: number;
  /** Made by a person: no UID, no plan unless `plan` is true, nobody owns it. */
  readonly byHand?: boolean;
  readonly plan?: boolean;
}

/** The object of a request on a node. */
export function progress(make: ProgressToMake): OSUpgradeProgress {
  const { of: source = 'up', kind = 'OSUpgrade', on, rollout = 1, byHand = false, plan = !byHand } = make;
  const gate: Gate = { state: 'Closed', attempt: 0, since: null, reason: '', message: '', ...make.gate };
  const owner = { apiVersion: 'v1', kind: 'Node', name: on, uid: `uid-of-${on}` };
  return {
    apiVersion: 'monok8s.io/v1alpha1',
    kind: 'OSUpgradeProgress',
    metadata: {
      name: `${source}-${on}-${rollout}`,
      uid: `uid-of-${source}-${on}-${rollout}`,
      resourceVersion: '1',
      creationTimestamp: ago(make.age ?? 500),
      ...(byHand ? {} : { ownerReferences: [owner] }),
    },
    spec: {
      sourceRef: {
        name: source,
        ...(kind === 'OS' && { namespace: 'default' }),
        ...(byHand ? {} : { kind, uid: `uid-of-${source}` }),
      },
      nodeName: on,
      ...(make.retryNonce === undefined ? {} : { retryNonce: make.retryNonce }),
      ...(plan
        ? {
            plan: {
              kind: 'upgrade',
              rollout,
              targetVersion: kind === 'OS' ? 'KubeOS 1.0.1' : 'v1.35.1',
              versionField: kind === 'OS' ? 'PRETTY_NAME' : 'VERSION_ID',
              image: IMAGE,
              limits: { stallSeconds: 600, trialSeconds: 900 },
              gate,
              ...(make.drain && { drain: make.drain }),
            },
          }
        : {}),
    },
    ...(make.status === undefined ? {} : { status: { lastUpdatedAt: ago(5), ...make.status } }),
  };
}

/** A pod of a ReplicaSet in `default`. */
export const pod = (name: string, more: Partial<PodFacts> = {}): PodFacts => ({
  name,
  namespace: 'default',
  uid: `uid-of-${name}`,
  resourceVersion: '1',
  nodeName: 'n1',
  labels: {},
  ownerKind: 'ReplicaSet',
  ownerUid: 'x',
  isMirror: false,
  hasEmptyDir: false,
  phase: 'Running',
  serviceAccountName: 'default',
  image: 'x',
  ready: true,
  ...more,
});

/** Tells the two kinds of requests apart. */
export const isOS = (object: OSUpgrade | OS): object is OS => object.kind === 'OS';

/** A request of either API in the terms of rollouts. */
export const requestOf = (object: OSUpgrade | OS): Request =>
  isOS(object) ? requestOfOS(object) : requestOfOSUpgrade(object);

/** An accepted `OS` in namespace `default` for `KubeOS 1.0.1` on all workers, in its first rollout. */
export function os(name: string, spec: object = {}, status: OSStatus | null = {}): OS {
  const parsed = OSSpec.parse({
    osversion: 'KubeOS 1.0.1',
    opstype: 'upgrade',
    maxunavailable: 1,
    imagetype: 'disk',
    imageurl: 'https://a.example/os.tar',
    checksum: IMAGE.checksum,
    ...spec,
  });
  const accepted: OSStatus = {
    phase: 'Accepted',
    observedGeneration: 1,
    rollout: 1,
    rolloutKey: rolloutKeyOfOS(parsed),
    rolloutStartedAt: ago(1000),
    ...status,
  };
  return {
    apiVersion: 'upgrade.openeuler.org/v1alpha1',
    kind: 'OS',
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-of-${name}`,
      resourceVersion: '1',
      generation: 1,
    },
    spec: parsed,
    ...(status === null ? {} : { status: accepted }),
  };
}

/** The caches at one moment. */
export const fleet = (
  nodes: readonly NodeState[],
  objects: readonly (OSUpgrade | OS)[] = [],
  progresses: readonly OSUpgradeProgress[] = [],
  requests: readonly Request[] = objects.map(requestOf),
): Fleet => ({
  nodes: nodes.toSorted((left, right) => (left.name < right.name ? -1 : 1)),
  nodesByName: new Map(nodes.map(entry => [entry.name, entry])),
  requests,
  progresses,
  progressesByNode: Map.groupBy(progresses, ({ spec }) => spec.nodeName),
  claims: claimsOf(requests),
});
