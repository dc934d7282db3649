import { node, progress, request } from '../objects.ts';
import { adopted, atGate, type Case, cordoned, drains, expectDecision, pods, staged } from './cases.ts';

const cases: Case[] = [
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
];

describe('decideNode', () => {
  for (const want of cases) it(want.name, () => expectDecision(want));
});
