import { controlPlane } from '../objects.ts';
import { all, done, failed, labelled, NEW, node, progress, testGroups, three, up } from './os-cases.ts';

describe('decideRequest for an OS: which nodes, how many', () =>
  testGroups({
    'which nodes': [
      {
        name: 'control-plane nodes are left out, a node that is only "master" is a worker',
        nodes: [
          controlPlane('a1', { osImage: 'KubeOS 1.0.0' }),
          node('m1', { labels: { 'node-role.kubernetes.io/master': '' } }),
        ],
        plans: ['m1'],
        counts: { total: 1 },
      },
      {
        name: 'no-label: those without the label',
        nodes: [labelled('n1', 'x'), node('n2')],
        plans: ['n2'],
        counts: { total: 1 },
      },
      {
        name: 'all-label: those with and without',
        nodes: [labelled('n1', 'x'), labelled('n2', ''), node('n3'), controlPlane('c1')],
        request: up({ nodeselector: 'all-label', maxunavailable: 9 }),
        plans: ['n1', 'n2', 'n3'],
        counts: { total: 3 },
      },
      {
        name: 'a value: those that have it',
        nodes: [labelled('n1', 'x'), labelled('n2', 'y'), node('n3')],
        request: up({ nodeselector: 'y', maxunavailable: 9 }),
        plans: ['n2'],
        counts: { total: 1 },
      },
      {
        name: 'an empty text: those whose value is empty',
        nodes: [labelled('n1', ''), node('n2')],
        request: up({ nodeselector: '', maxunavailable: 9 }),
        plans: ['n1'],
        counts: { total: 1 },
      },
      {
        name: 'none: it says so and waits for nodes',
        nodes: [controlPlane('c1')],
        plans: [],
        phase: 'Accepted',
        reason: 'NoNodes',
        message: /spec\.nodeselector selects no node yet/,
      },
      {
        name: 'a node without our agent is not touched',
        nodes: [node('n1', { hasReported: false, hasAgentPod: false }), node('n2')],
        plans: ['n2'],
        counts: { total: 1 },
      },
      {
        name: 'one that was chosen by its label is named',
        nodes: [labelled('n1', 'x', { hasReported: false, hasAgentPod: false })],
        request: up({ nodeselector: 'x' }),
        plans: [],
        skipped: [['n1', 'AgentMissing']],
      },
      {
        name: 'the agent that has gone',
        nodes: [node('n1', { hasAgentPod: false }), node('n2')],
        plans: ['n2'],
        skipped: [['n1', 'AgentMissing']],
      },
    ],
    'how many': [
      {
        name: 'in the order of their names, whatever order they come in',
        nodes: [...all(5)].toReversed(),
        request: up({ maxunavailable: 2 }),
        plans: ['n01', 'n02'],
      },
      {
        name: 'more than there are: all',
        nodes: three,
        request: up({ maxunavailable: 50 }),
        plans: ['n1', 'n2', 'n3'],
      },
      {
        name: 'below 1 is a mistake',
        nodes: three,
        request: up({ maxunavailable: 0 }, NEW),
        plans: [],
        phase: 'Rejected',
        reason: 'MaxUnavailableInvalid',
        message: /^spec\.maxunavailable is 0: .* at least 1$/,
        conditions: { Degraded: 'MaxUnavailableInvalid' },
      },
      {
        name: 'far below 1 is one too',
        nodes: three,
        request: up({ maxunavailable: -3 }, NEW),
        plans: [],
        phase: 'Rejected',
        reason: 'MaxUnavailableInvalid',
      },
      {
        name: '40 done and 1 left: the one that is left, at once',
        nodes: [...all(40, name => node(name, { osImage: 'KubeOS 1.0.1' })), node('n41')],
        plans: ['n41'],
        counts: { updated: 40, running: 1 },
      },
      {
        name: 'likewise if the first of the names is left',
        nodes: [node('n00'), ...all(40, name => node(name, { osImage: 'KubeOS 1.0.1' }))],
        plans: ['n00'],
      },
      {
        name: 'a node without OSInstance holds up no other',
        nodes: [labelled('n1', 'x', { hasReported: false, osImage: 'KubeOS 1.0.0' }), labelled('n2', 'x')],
        request: up({ nodeselector: 'x' }),
        plans: ['n2'],
      },
      {
        name: 'a NotReady node takes a place and waits',
        nodes: [node('n1', { ready: false }), node('n2')],
        plans: [],
        reason: 'NodeNotReady',
      },
      {
        name: 'with two places the other one goes',
        nodes: [node('n1', { ready: false }), node('n2'), node('n3')],
        request: up({ maxunavailable: 2 }),
        plans: ['n2'],
      },
      {
        name: 'a node that someone cordoned takes a place, and is the one to begin with',
        nodes: [node('n1'), node('n2', { unschedulable: true })],
        plans: ['n2'],
      },
      {
        name: 'a failed node keeps its place',
        nodes: three,
        progresses: [progress({ on: 'n1', ...failed })],
        plans: [],
        reason: 'NodesFailed',
        message: /n1 \(failed\): retry or repair the failed nodes, or raise spec\.maxunavailable$/,
      },
      {
        name: 'a new rollout tries it again and leaves alone what is done',
        nodes: [node('n1'), node('n2', { osImage: 'KubeOS 1.0.1' })],
        request: up({}, { rollout: 2 }),
        progresses: [progress({ on: 'n1', ...failed }), progress({ on: 'n2', ...done() })],
        plans: ['n1'],
        counts: { updated: 1, running: 1, failed: 0 },
      },
    ],
  }));
