import { controlPlane, node, os, progress, request } from '../objects.ts';
import {
  atGate,
  atWorkForOS,
  type Case,
  closed,
  cordoned,
  drainingSince,
  drains,
  expectDecision,
  newer,
  pods,
  staged,
} from './cases.ts';

const unreadable = {
  version: '',
  slotsProblem: { reason: 'BootEnvironmentInvalid', message: 'grubenv is garbage' },
};

const cases: Case[] = [
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
    name: 'its slots could not be read, and are mended: a retry is not refused for the version that is unknown',
    nodes: [node('n1', unreadable)],
    progresses: [progress({ on: 'n1', retryNonce: 'a', status: { phase: 'Failed', attempt: 1 } })],
    actions: [],
  },
  {
    name: 'its slots cannot be read: no drain for a boot entry that cannot be set',
    nodes: [node('n1', unreadable)],
    progresses: atGate,
    actions: ['gate Closed 1 BootEnvironmentInvalid'],
    message: /grubenv is garbage/,
  },
  {
    name: 'rejected meanwhile, and its slots cannot be read',
    nodes: [node('n1', unreadable)],
    requests: [request('up', {}, { phase: 'Rejected', reason: 'Downgrade', message: 'x' })],
    progresses: atGate,
    actions: ['gate Cancelled 1 Downgrade'],
  },
  {
    name: 'ended: nothing to do',
    progresses: [progress({ on: 'n1', status: { phase: 'Completed', attempt: 1 } })],
    actions: [],
  },
];

describe('decideNode: before a drain', () => {
  for (const want of cases) it(want.name, () => expectDecision(want));
});
