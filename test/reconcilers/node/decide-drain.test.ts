import { NOW, NOW_MS, node, pod, progress, request } from '../objects.ts';
import {
  type Case,
  cordoned,
  drainingSince,
  drains,
  expectDecision,
  NO_EVICTIONS,
  pods,
  refusal,
  withoutOwner,
} from './cases.ts';

const cases: Case[] = [
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
];

describe('decideNode: a drain', () => {
  for (const want of cases) it(want.name, () => expectDecision(want));
});
