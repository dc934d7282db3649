import { ago, node, os, pod, progress } from '../objects.ts';
import {
  atWorkForOS,
  bare,
  type Case,
  cordoned,
  drainingSince,
  expectDecision,
  forOS,
  idle,
  labelled,
  MANAGED,
  POLICY,
  pods,
  SELECTOR,
  staged,
} from './cases.ts';

/** What clients of upstream KubeOS see. */
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

describe('decideNode: labels and OSInstance', () => {
  for (const want of cases) it(want.name, () => expectDecision(want));
});
