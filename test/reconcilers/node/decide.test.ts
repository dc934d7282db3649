import { expect } from 'chai';
import type { Gate, OSUpgrade, OSUpgradeProgress, OSUpgradeStatus } from '../../../src/api/monok8s/index.ts';
import type { OS } from '../../../src/api/openeuler/index.ts';
import type { InstanceState, NodeState } from '../../../src/domain/node-state.ts';
import { decideNode } from '../../../src/reconcilers/node/decide.ts';
import type { DrainView, NodeAction } from '../../../src/reconcilers/node/decision.ts';
import {
  ago,
  controlPlane,
  fleet,
  NOW,
  NOW_MS,
  node,
  os,
  type ProgressToMake,
  pod,
  progress,
  request,
} from '../objects.ts';

interface Case {
  readonly name: string;
  readonly nodes?: readonly NodeState[];
  readonly requests?: readonly OSUpgrade[];
  readonly oses?: readonly OS[];
  readonly hasInstance?: boolean;
  readonly progresses?: readonly OSUpgradeProgress[];
  readonly drain?: DrainView;
  readonly reserved?: readonly string[];
  /** Each action of node n1 in short. */
  readonly actions: readonly string[];
  readonly watchPods?: boolean;
  readonly recheckInMs?: number;
  readonly message?: RegExp;
}

const staged = { status: { phase: 'Staged', attempt: 1 } } as const;
const closed = (reason: string, message: string): { gate: Partial<Gate> } => ({
  gate: { state: 'Closed', attempt: 1, since: NOW, reason, message },
});
const drainingSince = (seconds: number, more: Partial<Gate> = {}) =>
  ({
    gate: {
      state: 'Draining',
      attempt: 1,
      since: ago(seconds),
      reason: 'Draining',
      message: 'the node is being drained',
      ...more,
    },
    status: { phase: 'Draining', attempt: 1 },
  }) as const;
const MANAGED = { 'monok8s.io/managed': 'true' };
const SELECTOR = 'upgrade.openeuler.org/node-selector';
const POLICY = { timeoutSeconds: 1800, force: true, deleteEmptyDirData: true, skip: false };
const idle: InstanceState = {
  uid: 'i1',
  resourceVersion: '1',
  spec: { nodestatus: 'idle' },
  isOwnedByNode: true,
};

const labelled = (...names: string[]): Record<string, string> =>
  Object.fromEntries(names.map(name => [`upgrade.openeuler.org/${name}`, '']));

/** A node on which everything says that `OS default/up` works there. */
function atWorkForOS(more: Partial<NodeState>): NodeState {
  const spec = { nodestatus: 'upgrade', namespacedname: { name: 'up', namespace: 'default' } };
  return node('n1', {
    labels: { ...MANAGED, ...labelled('upgrading') },
    instance: { ...idle, spec },
    ...more,
  });
}

/** The plan of `OS default/up` on the node. */
const forOS = (make: Partial<ProgressToMake>) => ({
  oses: [os('up')],
  progresses: [progress({ on: 'n1', kind: 'OS', ...make })],
});

const cordoned = { unschedulable: true, annotations: { 'monok8s.io/cordoned-by': 'up-n1-1' } };
const atGate = [progress({ on: 'n1', ...staged })];
const drains = [progress({ on: 'n1', ...drainingSince(10) })];
const newer: OSUpgradeStatus = { rolloutStartedAt: ago(1) };
const NO_EVICTIONS = new Map();
const pods = (...list: ReturnType<typeof pod>[]): DrainView => ({ pods: list, asked: NO_EVICTIONS });
const refusal = { sinceMs: NOW_MS - 60_000, budget: 'web-pdb', message: 'x' };

const adopted = (made: OSUpgradeProgress): OSUpgradeProgress => ({
  ...made,
  spec: { ...made.spec, sourceRef: { ...made.spec.sourceRef, uid: 'uid-of-up' } },
});

const bare = withoutOwner('a');
const keepsBarePods = [request('up', { drain: { force: false } })];
const keepsData = [request('up', { drain: { deleteEmptyDirData: false } })];

/** Where the policy can forbid an eviction, the pods are looked at before anything is disturbed. */
const looksFirst: Case[] = [
  {
    name: 'a policy that forbids nothing: no look at pods',
    progresses: atGate,
    drain: pods(bare),
    actions: ['gate Draining 1 Draining'],
    watchPods: false,
  },
  {
    name: 'bare pods are kept: looks at the pods first',
    requests: keepsBarePods,
    progresses: atGate,
    actions: [],
    watchPods: true,
    recheckInMs: 5000,
  },
  {
    name: 'none is bare: begins, and lists them anew after the cordon',
    requests: keepsBarePods,
    progresses: atGate,
    drain: pods(pod('a'), pod('b', { hasEmptyDir: true })),
    actions: ['gate Draining 1 Draining'],
    watchPods: false,
  },
  {
    name: 'one is bare: nothing is cordoned',
    requests: keepsBarePods,
    progresses: atGate,
    drain: pods(bare, pod('b')),
    actions: ['gate Closed 1 PodUnmanaged'],
    message: /^pod default\/a has no controller .* delete it, or set spec\.drain\.force to true$/,
    watchPods: true,
  },
  {
    name: 'several are bare: all are named',
    requests: keepsBarePods,
    progresses: atGate,
    drain: pods(withoutOwner('b'), bare),
    actions: ['gate Closed 1 PodUnmanaged'],
    message: /^pods default\/a, default\/b have no controller .* delete them, or/,
  },
  {
    name: 'data is kept',
    requests: keepsData,
    progresses: atGate,
    drain: pods(pod('a', { hasEmptyDir: true })),
    actions: ['gate Closed 1 PodLocalData'],
    message: /^pod default\/a has data in an emptyDir.*set spec\.drain\.deleteEmptyDirData to true$/,
    watchPods: true,
  },
  {
    name: 'an OS says it in its own words',
    requests: [],
    oses: [os('up', { evictpodforce: false })],
    progresses: [progress({ on: 'n1', kind: 'OS', ...staged })],
    nodes: [atWorkForOS({})],
    drain: pods(bare),
    actions: ['gate Closed 1 PodUnmanaged'],
    message: /set spec\.evictpodforce to true$/,
  },
  {
    name: 'neither DaemonSet nor mirror nor finished nor terminating pods are in the way',
    requests: [request('up', { drain: { force: false, deleteEmptyDirData: false } })],
    progresses: atGate,
    drain: pods(
      pod('a', { ownerKind: 'DaemonSet', hasEmptyDir: true }),
      pod('b', { isMirror: true, hasEmptyDir: true }),
      { ...bare, phase: 'Failed' },
      pod('d', { hasEmptyDir: true, deletionTimestamp: NOW }),
    ),
    actions: ['gate Draining 1 Draining'],
  },
  {
    name: 'a pod that is in the way: looks again when the window closes',
    requests: [
      request('up', { drain: { force: false }, timeWindow: { startTime: '11:00:00', endTime: '14:00:00' } }),
    ],
    progresses: atGate,
    drain: pods(bare),
    actions: ['gate Closed 1 PodUnmanaged'],
    recheckInMs: 7_200_000,
  },
  {
    name: 'it is not skipped over by a list that does not come',
    requests: keepsBarePods,
    progresses: atGate,
    drain: { asked: NO_EVICTIONS, watchedSinceMs: NOW_MS - 6000 },
    actions: ['gate Closed 1 PodsUnknown'],
    watchPods: true,
  },
  {
    name: 'a pod that waits for a person is told before nodes that come back by themselves',
    nodes: [node('n1'), node('n2')],
    requests: keepsBarePods,
    progresses: [...atGate, progress({ on: 'n2', ...drainingSince(1) })],
    drain: pods(bare),
    actions: ['gate Closed 1 PodUnmanaged'],
  },
  {
    name: 'nothing is in the way but the budget',
    nodes: [node('n1'), node('n2')],
    requests: keepsBarePods,
    progresses: [...atGate, progress({ on: 'n2', ...drainingSince(1) })],
    drain: pods(),
    actions: ['gate Closed 1 BudgetExhausted'],
  },
  {
    name: 'one plan begins while another looks at the pods: they are listed anew all the same',
    requests: keepsBarePods,
    progresses: [...drains, progress({ on: 'n1', byHand: true, plan: true, ...staged })],
    drain: pods(),
    actions: ['cordon', 'gate Closed 1 OtherPlanRunning'],
    watchPods: false,
  },
  {
    name: 'paused: pods are not looked at',
    requests: [request('up', { paused: true, drain: { force: false } })],
    progresses: atGate,
    drain: pods(bare),
    actions: ['gate Closed 1 Paused'],
    watchPods: false,
  },
  {
    name: 'skip: pods are not looked at',
    requests: [request('up', { drain: { force: false, skip: true } })],
    progresses: atGate,
    actions: ['gate Draining 1 Draining'],
  },
  {
    name: 'a bare pod that came during the drain: no other is evicted any more',
    nodes: [node('n1', cordoned)],
    requests: keepsBarePods,
    progresses: drains,
    drain: pods(bare, pod('b')),
    actions: ['gate Draining 1 PodUnmanaged'],
    watchPods: true,
    recheckInMs: 1_790_000,
  },
  {
    name: 'it is still there when the time is over',
    nodes: [node('n1', cordoned)],
    requests: keepsBarePods,
    progresses: [progress({ on: 'n1', ...drainingSince(1800, { message: 'pod default/a has' }) })],
    drain: pods(bare, pod('b')),
    actions: ['gate Failed 1 DrainTimeout'],
    message: /pod default\/a has/,
  },
];

/** What clients of upstream KubeOS see. */
const marks: Case[] = [
  {
    name: 'a plan of an OS: instance and label',
    ...forOS({ status: { phase: 'Downloading', attempt: 1 } }),
    nodes: [node('n1', { instance: idle })],
    actions: ['instance upgrade up', 'label upgrading'],
  },
  {
    name: 'both say so: nothing to do',
    ...forOS({ status: { phase: 'Downloading', attempt: 1 } }),
    nodes: [atWorkForOS({})],
    actions: [],
  },
  {
    name: 'a plan of an OSUpgrade is none of upstream',
    progresses: [progress({ on: 'n1', status: { phase: 'Downloading', attempt: 1 } })],
    nodes: [node('n1', { instance: idle })],
    actions: [],
  },
  {
    name: 'done: the label goes with the cordon, in one write',
    ...forOS({ status: { phase: 'Completed', attempt: 1 } }),
    nodes: [atWorkForOS(cordoned)],
    actions: ['instance idle', 'uncordon upgrading-'],
  },
  {
    name: 'done, and not Ready yet: all stays',
    ...forOS({ status: { phase: 'RolledBack', attempt: 1 } }),
    nodes: [atWorkForOS({ ...cordoned, ready: false })],
    actions: [],
  },
  {
    name: 'failed before the drain: the label goes',
    ...forOS({ status: { phase: 'Failed', attempt: 1 } }),
    nodes: [atWorkForOS({})],
    actions: ['instance idle', 'label upgrading-'],
  },
  {
    name: 'taken back, though its agent has not said so yet: the label goes',
    ...forOS({ gate: { state: 'Cancelled', attempt: 1 }, status: { phase: 'Downloading', attempt: 1 } }),
    nodes: [atWorkForOS({})],
    actions: ['instance idle', 'label upgrading-'],
  },
  {
    name: 'its drain failed: the label goes with the cordon',
    ...forOS({ gate: { state: 'Failed', attempt: 1 }, status: { phase: 'Draining', attempt: 1 } }),
    nodes: [atWorkForOS(cordoned)],
    actions: ['instance idle', 'uncordon upgrading-'],
  },
  {
    name: 'a retry of it: the label comes again',
    ...forOS({ retryNonce: 'a', status: { phase: 'Failed', attempt: 1 } }),
    nodes: [node('n1', { instance: idle })],
    actions: ['instance upgrade up', 'label upgrading'],
  },
  {
    name: 'what upstream left is swept, in one write each',
    nodes: [
      atWorkForOS({
        labels: { ...MANAGED, ...labelled('upgrading', 'configuring', 'serial'), [SELECTOR]: 'blue' },
      }),
    ],
    actions: ['instance idle', 'label upgrading- configuring- serial-'],
  },
  {
    name: 'where no agent of ours is, upstream is left alone',
    nodes: [atWorkForOS({ hasReported: false, hasAgentPod: false, labels: labelled('upgrading', 'serial') })],
    actions: [],
  },
  {
    name: "where upstream's agent still runs, its labels are left alone, and nothing is drained",
    ...forOS(staged),
    nodes: [
      atWorkForOS({ labels: { ...MANAGED, ...labelled('upgrading', 'serial') }, upstreamProxy: 'up/proxy' }),
    ],
    actions: ['gate Closed 1 KubeOSRunning'],
    message: /pod up\/proxy of KubeOS/,
  },
  {
    name: 'an OSInstance that nobody owns gets its node as owner',
    nodes: [node('n1', { instance: { ...idle, isOwnedByNode: false } })],
    actions: ['instance'],
  },
  {
    name: 'serial: a node in its turn keeps the label',
    oses: [os('up', { executionmode: 'serial' })],
    nodes: [node('n1', { instance: idle, labels: { ...MANAGED, ...labelled('serial') } })],
    actions: [],
  },
  {
    name: 'serial, and its status is not seen yet: the label stays',
    oses: [os('up', { executionmode: 'serial' }, null)],
    nodes: [node('n1', { instance: idle, labels: { ...MANAGED, ...labelled('serial') } })],
    actions: [],
  },
  {
    name: 'serial no more: the label goes',
    oses: [os('up', { executionmode: 'parallel' })],
    nodes: [node('n1', { instance: idle, labels: { ...MANAGED, ...labelled('serial') } })],
    actions: ['label serial-'],
  },
  {
    name: 'serial, and another request took the node over: the label goes',
    oses: [os('up', { executionmode: 'serial' }), os('new', {}, { rolloutStartedAt: ago(1) })],
    nodes: [node('n1', { instance: idle, labels: { ...MANAGED, ...labelled('serial') } })],
    actions: ['label serial-'],
  },
  {
    name: 'serial, and the request is gone: the label goes',
    requests: [],
    nodes: [node('n1', { instance: idle, labels: { ...MANAGED, ...labelled('serial') } })],
    actions: ['label serial-'],
  },
  {
    name: 'the OS was deleted before the drain: the object goes, then the rest',
    requests: [],
    progresses: [progress({ on: 'n1', kind: 'OS', ...staged })],
    nodes: [atWorkForOS({})],
    actions: ['delete up-n1-1'],
  },
  {
    name: 'the OS was deleted while it drains: goes on as it began, and keeps what must be kept',
    requests: [],
    progresses: [
      progress({ on: 'n1', kind: 'OS', ...drainingSince(10), drain: { ...POLICY, force: false } }),
    ],
    nodes: [atWorkForOS(cordoned)],
    drain: pods(bare, pod('b')),
    actions: ['gate Draining 1 PodUnmanaged'],
    message: /delete it$/,
  },
  {
    name: 'the node is gone: what upstream left of it goes too',
    nodes: [],
    hasInstance: true,
    actions: ['deleteInstance'],
  },
];

const cases: Case[] = [
  { name: 'an agent came: labelled', nodes: [node('n1', { labels: {} })], actions: ['label managed'] },
  {
    name: 'an agent went: label removed',
    nodes: [node('n1', { hasAgentPod: false })],
    actions: ['label managed-'],
  },
  {
    name: 'an agent that has not reported yet',
    nodes: [node('n1', { labels: {}, hasReported: false })],
    actions: [],
  },
  {
    name: 'downloading: nothing to do',
    progresses: [progress({ on: 'n1', status: { phase: 'Downloading', attempt: 1 } })],
    actions: [],
  },
  { name: 'staged: the drain begins', progresses: atGate, actions: ['gate Draining 1 Draining'] },
  {
    name: 'staged again: a gate of an earlier attempt lets nothing through',
    progresses: [
      progress({ on: 'n1', gate: { state: 'Open', attempt: 1 }, status: { phase: 'Staged', attempt: 2 } }),
    ],
    actions: ['gate Draining 2 Draining'],
  },
  {
    name: 'paused',
    requests: [request('up', { paused: true })],
    progresses: atGate,
    actions: ['gate Closed 1 Paused'],
    message: /spec\.paused/,
  },
  {
    name: 'paused, and said so',
    requests: [request('up', { paused: true })],
    progresses: [
      progress({
        on: 'n1',
        ...staged,
        ...closed('Paused', 'the request is paused: set spec.paused to false to go on'),
      }),
    ],
    actions: [],
  },
  {
    name: 'window closed',
    requests: [request('up', { timeWindow: { startTime: '13:00:00', endTime: '14:00:00' } })],
    progresses: atGate,
    actions: ['gate Closed 1 WindowClosed'],
    recheckInMs: 3_600_000,
  },
  {
    name: 'a mistyped window of an OS is not an open one',
    requests: [],
    oses: [os('up', { timewindow: { starttime: '01:00:00', endtime: '5am' } })],
    progresses: [progress({ on: 'n1', kind: 'OS', ...staged })],
    nodes: [atWorkForOS({})],
    actions: ['gate Closed 1 TimeWindowInvalid'],
  },
  {
    name: 'window open: looks again when it closes',
    requests: [request('up', { timeWindow: { startTime: '11:00:00', endTime: '14:00:00' } })],
    progresses: atGate,
    actions: ['gate Draining 1 Draining'],
    recheckInMs: 7_200_000,
  },
  {
    name: 'paused does not stop a drain',
    requests: [request('up', { paused: true })],
    nodes: [node('n1', cordoned)],
    progresses: drains,
    drain: pods(),
    actions: ['gate Open 1 Drained'],
  },
  {
    name: 'another node drains',
    nodes: [node('n1'), node('n2')],
    progresses: [...atGate, progress({ on: 'n2', ...drainingSince(1) })],
    actions: ['gate Closed 1 BudgetExhausted'],
    message: /n2 \(at work\)/,
  },
  {
    name: 'another node has just begun, which the cache does not show',
    nodes: [node('n1'), node('n2')],
    reserved: ['n2'],
    progresses: atGate,
    actions: ['gate Closed 1 BudgetExhausted'],
  },
  {
    name: 'another node only stages',
    nodes: [node('n1'), node('n2')],
    progresses: [...atGate, progress({ on: 'n2', ...staged })],
    actions: ['gate Draining 1 Draining'],
  },
  {
    name: 'another node is NotReady',
    nodes: [node('n1'), node('n2', { ready: false })],
    progresses: atGate,
    actions: ['gate Closed 1 BudgetExhausted'],
  },
  {
    name: 'another node failed and serves: a retry may go',
    nodes: [node('n1'), node('n2')],
    progresses: [...atGate, progress({ on: 'n2', status: { phase: 'Failed', attempt: 1 } })],
    actions: ['gate Draining 1 Draining'],
  },
  {
    name: 'a control-plane node while another is NotReady',
    nodes: [controlPlane('n1'), controlPlane('n2', { ready: false })],
    requests: [request('up', { maxUnavailable: 5 })],
    progresses: atGate,
    actions: ['gate Closed 1 ControlPlaneOneByOne'],
  },
  {
    name: 'superseded',
    requests: [request('up'), request('new', {}, newer)],
    progresses: atGate,
    actions: ['gate Cancelled 1 Superseded'],
  },
  {
    name: 'superseded before the agent began',
    requests: [request('up'), request('new', {}, newer)],
    progresses: [progress({ on: 'n1' })],
    actions: ['gate Cancelled 1 Superseded'],
  },
  {
    name: 'superseded, and said so',
    requests: [request('up'), request('new', {}, newer)],
    progresses: [progress({ on: 'n1', ...staged, gate: { state: 'Cancelled', attempt: 1 } })],
    actions: [],
  },
  {
    name: 'superseded: what drains finishes',
    requests: [request('up'), request('new', {}, newer)],
    nodes: [node('n1', cordoned)],
    progresses: drains,
    drain: pods(),
    actions: ['gate Open 1 Drained'],
  },
  {
    name: 'superseded: a retry is refused',
    requests: [request('up'), request('new', {}, newer)],
    progresses: [
      progress({
        on: 'n1',
        retryNonce: 'a',
        gate: { state: 'Cancelled', attempt: 1 },
        status: { phase: 'Failed', attempt: 1 },
      }),
    ],
    actions: ['gate Cancelled 2 Superseded'],
  },
  {
    name: 'lost earlier: a retry is refused',
    requests: [request('up', {}, { supersededBy: [{ kind: 'OSUpgrade', name: 'new', nodeSelector: {} }] })],
    progresses: [progress({ on: 'n1', retryNonce: 'a', status: { phase: 'Failed', attempt: 1 } })],
    actions: ['gate Cancelled 2 Superseded'],
  },
  {
    name: 'another rollout',
    requests: [request('up', {}, { rollout: 2 })],
    progresses: atGate,
    actions: ['gate Cancelled 1 RequestChanged'],
  },
  {
    name: 'changed, and nobody has looked at it yet',
    requests: [request('up', {}, { rolloutKey: 'old' })],
    progresses: atGate,
    actions: ['gate Cancelled 1 RequestChanged'],
  },
  {
    name: 'rejected meanwhile',
    requests: [request('up', {}, { phase: 'Rejected', reason: 'Downgrade', message: 'x' })],
    progresses: atGate,
    actions: ['gate Cancelled 1 Downgrade'],
  },
  {
    name: 'the node is newer by now',
    nodes: [node('n1', { version: 'v1.36.0' })],
    progresses: atGate,
    actions: ['gate Cancelled 1 Downgrade'],
  },
  {
    name: 'ended: nothing to do',
    progresses: [progress({ on: 'n1', status: { phase: 'Completed', attempt: 1 } })],
    actions: [],
  },

  ...looksFirst,

  { name: 'draining: cordons first', progresses: drains, actions: ['cordon'], watchPods: false },
  {
    name: 'then looks at the pods',
    nodes: [node('n1', cordoned)],
    progresses: drains,
    actions: [],
    watchPods: true,
    recheckInMs: 5000,
  },
  {
    name: 'a list of pods that does not come is told, and opens nothing',
    nodes: [node('n1', cordoned)],
    progresses: drains,
    drain: { asked: NO_EVICTIONS, watchedSinceMs: NOW_MS - 5000 },
    actions: ['gate Draining 1 PodsUnknown'],
    watchPods: true,
    recheckInMs: 5000,
  },
  {
    name: 'evicts',
    nodes: [node('n1', cordoned)],
    progresses: drains,
    drain: pods(pod('a'), pod('b')),
    actions: ['evict uid-of-a uid-of-b'],
    watchPods: true,
  },
  {
    name: 'empty',
    nodes: [node('n1', cordoned)],
    progresses: drains,
    drain: pods(),
    actions: ['gate Open 1 Drained'],
    watchPods: false,
  },
  {
    name: 'DaemonSet, mirror, controller and agent stay',
    nodes: [node('n1', cordoned)],
    progresses: drains,
    drain: pods(
      pod('a', { ownerKind: 'DaemonSet' }),
      pod('b', { isMirror: true }),
      pod('c', { namespace: 'mono-system', labels: { 'app.kubernetes.io/name': 'os-controller' } }),
      pod('d', { namespace: 'mono-system', labels: { 'app.kubernetes.io/name': 'node-agent' } }),
    ),
    actions: ['gate Open 1 Drained'],
  },
  {
    name: 'a pod elsewhere that calls itself our controller goes',
    nodes: [node('n1', cordoned)],
    progresses: drains,
    drain: pods(pod('c', { labels: { 'app.kubernetes.io/name': 'os-controller' } })),
    actions: ['evict uid-of-c'],
  },
  {
    name: 'a finished pod goes',
    nodes: [node('n1', cordoned)],
    progresses: drains,
    drain: pods(pod('a', { phase: 'Succeeded' })),
    actions: ['evict uid-of-a'],
  },
  {
    name: 'waits for one that terminates, and says so',
    nodes: [node('n1', cordoned)],
    progresses: drains,
    drain: pods(pod('a', { deletionTimestamp: NOW })),
    actions: ['gate Draining 1 PodTerminating'],
    message: /pod default\/a/,
  },
  {
    name: 'says nothing in the first seconds',
    nodes: [node('n1', cordoned)],
    progresses: [progress({ on: 'n1', ...drainingSince(1) })],
    drain: pods(pod('a', { deletionTimestamp: NOW })),
    actions: [],
    recheckInMs: 2000,
  },
  {
    name: 'refused: names pod, budget and since when',
    nodes: [node('n1', cordoned)],
    progresses: drains,
    drain: { pods: [pod('a')], asked: new Map([['uid-of-a', { retryAtMs: NOW_MS + 4000, refusal }]]) },
    actions: ['gate Draining 1 PodDisruptionBudget'],
    message: /^pod default\/a may not be evicted: PodDisruptionBudget web-pdb, since 2026-01-05T11:59:00Z$/,
    recheckInMs: 4000,
  },
  {
    name: 'refused, and said so: tries again in its time',
    nodes: [node('n1', cordoned)],
    progresses: [
      progress({
        on: 'n1',
        ...drainingSince(10, {
          reason: 'PodDisruptionBudget',
          message:
            'pod default/a may not be evicted: PodDisruptionBudget web-pdb, since 2026-01-05T11:59:00Z',
        }),
      }),
    ],
    drain: {
      pods: [pod('0', { deletionTimestamp: NOW }), pod('a')],
      asked: new Map([['uid-of-a', { retryAtMs: NOW_MS, refusal }]]),
    },
    actions: ['evict uid-of-a'],
  },
  {
    name: 'refused by something else: names pod and why',
    nodes: [node('n1', cordoned)],
    progresses: [progress({ on: 'n1', ...drainingSince(10) })],
    drain: {
      pods: [pod('a')],
      asked: new Map([
        ['uid-of-a', { retryAtMs: NOW_MS + 4000, refusal: { sinceMs: NOW_MS - 60_000, message: 'no way' } }],
      ]),
    },
    actions: ['gate Draining 1 EvictionRefused'],
    message: /^pod default\/a may not be evicted: no way, since 2026-01-05T11:59:00Z$/,
  },
  {
    name: 'many: ten at a time, those first that were not asked for yet, then those that wait longest',
    nodes: [node('n1', cordoned)],
    progresses: [progress({ on: 'n1', ...drainingSince(1) })],
    drain: {
      pods: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'].map(name => pod(name)),
      asked: new Map([
        ['uid-of-a', { retryAtMs: NOW_MS - 1, refusal }],
        ['uid-of-b', { retryAtMs: NOW_MS - 3, refusal }],
        ['uid-of-c', { retryAtMs: NOW_MS - 2, refusal }],
        ['uid-of-d', { retryAtMs: NOW_MS + 1, refusal }],
      ]),
    },
    actions: [
      `evict ${['e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'b', 'c'].map(name => `uid-of-${name}`).join(' ')}`,
    ],
  },
  {
    name: 'asked a moment ago: not again',
    nodes: [node('n1', cordoned)],
    progresses: drains,
    drain: { pods: [pod('a')], asked: new Map([['uid-of-a', { retryAtMs: NOW_MS + 9000 }]]) },
    actions: [],
    recheckInMs: 9000,
  },
  {
    name: 'force off',
    nodes: [node('n1', cordoned)],
    requests: [request('up', { drain: { force: false } })],
    progresses: drains,
    drain: pods(withoutOwner('a')),
    actions: ['gate Draining 1 PodUnmanaged'],
    message: /spec\.drain\.force/,
  },
  {
    name: 'emptyDir kept',
    nodes: [node('n1', cordoned)],
    requests: [request('up', { drain: { deleteEmptyDirData: false } })],
    progresses: drains,
    drain: pods(pod('a', { hasEmptyDir: true })),
    actions: ['gate Draining 1 PodLocalData'],
    message: /deleteEmptyDirData/,
  },
  {
    name: 'skip',
    nodes: [node('n1', cordoned)],
    requests: [request('up', { drain: { skip: true } })],
    progresses: drains,
    actions: ['gate Open 1 Drained'],
    watchPods: false,
  },
  {
    name: 'a cordon that an earlier plan of ours left is taken over, not given back in the middle',
    nodes: [node('n1', { ...cordoned, annotations: { 'monok8s.io/cordoned-by': 'up-n1-0' } })],
    progresses: drains,
    drain: pods(),
    actions: ['cordon'],
    watchPods: false,
  },
  {
    name: 'skip still cordons',
    requests: [request('up', { drain: { skip: true } })],
    progresses: drains,
    actions: ['cordon'],
  },
  {
    name: 'time is over',
    nodes: [node('n1', cordoned)],
    progresses: [
      progress({
        on: 'n1',
        ...drainingSince(1800, { reason: 'PodTerminating', message: 'pod default/a is terminating' }),
      }),
    ],
    drain: pods(pod('a')),
    actions: ['gate Failed 1 DrainTimeout'],
    message: /pod default\/a is terminating.*spec\.retryNonce$/,
  },
  {
    name: 'a foreign cordon is not made ours',
    nodes: [node('n1', { unschedulable: true })],
    progresses: drains,
    drain: pods(),
    actions: ['gate Open 1 Drained'],
  },
  {
    name: 'open: waits for the agent',
    nodes: [node('n1', cordoned)],
    progresses: [
      progress({ on: 'n1', gate: { state: 'Open', attempt: 1 }, status: { phase: 'Draining', attempt: 1 } }),
    ],
    actions: [],
  },
  {
    name: 'rebooting: stays cordoned',
    nodes: [node('n1', { ...cordoned, ready: false })],
    progresses: [
      progress({ on: 'n1', gate: { state: 'Open', attempt: 1 }, status: { phase: 'Rebooting', attempt: 1 } }),
    ],
    actions: [],
  },

  {
    name: 'completed: uncordons',
    nodes: [node('n1', cordoned)],
    progresses: [progress({ on: 'n1', status: { phase: 'Completed', attempt: 1 } })],
    actions: ['uncordon'],
  },
  {
    name: 'failed by the gate: uncordons',
    nodes: [node('n1', cordoned)],
    progresses: [
      progress({
        on: 'n1',
        gate: { state: 'Failed', attempt: 1 },
        status: { phase: 'Draining', attempt: 1 },
      }),
    ],
    actions: ['uncordon'],
  },
  {
    name: 'rolled back, not Ready yet: stays',
    nodes: [node('n1', { ...cordoned, ready: false })],
    progresses: [progress({ on: 'n1', status: { phase: 'RolledBack', attempt: 1 } })],
    actions: [],
  },
  {
    name: 'Ready of the boot before: stays',
    nodes: [node('n1', { ...cordoned, bootId: 'boot-0' })],
    progresses: [progress({ on: 'n1', status: { phase: 'RolledBack', attempt: 1 } })],
    actions: [],
  },
  { name: 'the object vanished: uncordons', nodes: [node('n1', cordoned)], actions: ['uncordon'] },
  {
    name: 'a foreign cordon stays',
    nodes: [node('n1', { unschedulable: true })],
    progresses: [progress({ on: 'n1', status: { phase: 'Completed', attempt: 1 } })],
    actions: [],
  },

  {
    name: 'request deleted, not begun: object deleted',
    requests: [],
    progresses: atGate,
    actions: ['delete up-n1-1'],
  },
  {
    name: 'request deleted, ended: object deleted',
    requests: [],
    progresses: [progress({ on: 'n1', status: { phase: 'Completed', attempt: 1 } })],
    actions: ['delete up-n1-1'],
  },
  {
    name: 'request deleted while it drains: goes on',
    requests: [],
    nodes: [node('n1', cordoned)],
    progresses: drains,
    drain: pods(),
    actions: ['gate Open 1 Drained'],
  },
  {
    name: 'request deleted while it reboots: waits',
    requests: [],
    nodes: [node('n1', cordoned)],
    progresses: [
      progress({ on: 'n1', gate: { state: 'Open', attempt: 1 }, status: { phase: 'Rebooting', attempt: 1 } }),
    ],
    actions: [],
  },
  {
    name: 'another one of the same name: still deleted',
    requests: [{ ...request('up'), metadata: { name: 'up', uid: 'other', resourceVersion: '1' } }],
    progresses: atGate,
    actions: ['delete up-n1-1'],
  },
  {
    name: 'made by hand, request deleted: cancelled, kept',
    requests: [],
    progresses: [progress({ on: 'n1', byHand: true, plan: true, ...staged })],
    actions: ['gate Cancelled 1 RequestDeleted'],
  },
  {
    name: 'made by hand and adopted, and another request has the name by now: cancelled, kept',
    requests: [{ ...request('up'), metadata: { name: 'up', uid: 'other', resourceVersion: '1' } }],
    progresses: [adopted(progress({ on: 'n1', byHand: true, plan: true, ...staged }))],
    actions: ['gate Cancelled 1 RequestDeleted'],
  },
  {
    name: 'made by hand, no such request',
    requests: [],
    progresses: [progress({ on: 'n1', byHand: true })],
    actions: ['refuse up-n1-1 RequestNotFound'],
  },
  {
    name: 'that was refused: nothing more',
    requests: [],
    progresses: [progress({ on: 'n1', byHand: true, plan: true, gate: { state: 'Failed', attempt: 1 } })],
    actions: [],
  },
  {
    name: 'made by hand, without plan: the request gives it',
    progresses: [progress({ on: 'n1', byHand: true })],
    actions: [],
  },
  {
    name: 'no such node',
    nodes: [],
    progresses: [progress({ on: 'n1', byHand: true })],
    actions: ['failUnknownNode up-n1-1'],
  },
  {
    name: 'no such node, said so',
    nodes: [],
    progresses: [progress({ on: 'n1', byHand: true, status: { phase: 'Failed' } })],
    actions: [],
  },
  {
    name: 'no such node, asked again',
    nodes: [],
    progresses: [progress({ on: 'n1', byHand: true, retryNonce: 'a', status: { phase: 'Failed' } })],
    actions: ['failUnknownNode up-n1-1'],
  },
  {
    name: 'objects of the last three rollouts are kept, older ones that have ended are not',
    requests: [request('up', {}, { rollout: 4 })],
    progresses: [1, 2, 3].map(rollout =>
      progress({ on: 'n1', rollout, status: { phase: 'Failed', attempt: 1 } }),
    ),
    actions: ['deleteOutdated up-n1-1'],
  },
  {
    name: 'an old object that a person made stays',
    requests: [request('up', {}, { rollout: 9 })],
    progresses: [progress({ on: 'n1', byHand: true, plan: true, status: { phase: 'Failed', attempt: 1 } })],
    actions: [],
  },
  { name: 'the node went: its object goes with it', nodes: [], progresses: atGate, actions: [] },

  ...marks,
];

function withoutOwner(name: string): ReturnType<typeof pod> {
  const { ownerKind: _, ownerUid: __, ...rest } = pod(name);
  return rest;
}

function inShort(action: NodeAction): string {
  switch (action.type) {
    case 'label':
      return `label ${Object.entries(action.labels)
        .map(([name, value]) => `${name.replace(/.*\//, '')}${value === null ? '-' : ''}`)
        .join(' ')}`;
    case 'gate':
      return `gate ${action.gate.state} ${action.gate.attempt} ${action.gate.reason}`;
    case 'evict':
      return ['evict', ...action.podUids].join(' ');
    case 'refuse':
      return `refuse ${action.progress.metadata.name} ${action.why.reason}`;
    case 'instance': {
      const { nodestatus = '', namespacedname } = action.spec ?? {};
      return ['instance', nodestatus, namespacedname?.name ?? ''].join(' ').trim();
    }
    case 'uncordon':
      return ['uncordon', ...action.labels.map(name => `${name.replace(/.*\//, '')}-`)].join(' ');
    case 'delete':
    case 'deleteOutdated':
    case 'failUnknownNode':
      return `${action.type} ${action.progress.metadata.name}`;
    default:
      return action.type;
  }
}

describe('decideNode', () => {
  for (const want of cases) {
    it(want.name, () => {
      const { nodes = [node('n1')], oses = [], progresses = [] } = want;
      const requests = want.requests ?? (oses.length === 0 ? [request('up')] : []);
      const decision = decideNode({
        name: 'n1',
        fleet: fleet(nodes, [...requests, ...oses], progresses),
        hasInstance: want.hasInstance ?? false,
        reserved: new Set(want.reserved),
        drain: want.drain ?? { asked: NO_EVICTIONS },
        nowMs: NOW_MS,
        defaultZone: 'UTC',
        systemNamespace: 'mono-system',
      });
      expect(decision.actions.map(inShort)).to.deep.equal(want.actions);
      if (want.watchPods !== undefined) expect(decision.watchPods).to.equal(want.watchPods);
      if (want.recheckInMs !== undefined)
        expect((decision.recheckAtMs ?? 0) - NOW_MS).to.equal(want.recheckInMs);
      if (want.message !== undefined) {
        const gates = decision.actions.flatMap(action =>
          action.type === 'gate' ? [action.gate.message] : [],
        );
        expect(gates[0]).to.match(want.message);
      }
    });
  }
});
