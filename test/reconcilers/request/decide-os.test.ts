import type { OSUpgradeProgressStatus } from '../../../src/api/monok8s/index.ts';
import { type OSStatus, StoredOSSpec } from '../../../src/api/openeuler/index.ts';
import type { NodeState } from '../../../src/domain/node-state.ts';
import {
  ago,
  controlPlane,
  node as nodeOf,
  os,
  type ProgressToMake,
  progress as progressOf,
  request,
} from '../objects.ts';
import { type Case, expectDecision } from './cases.ts';

const node = (name: string, more: Partial<NodeState> = {}): NodeState =>
  nodeOf(name, { osImage: 'KubeOS 1.0.0', ...more });
const progress = (make: ProgressToMake) => progressOf({ kind: 'OS', ...make });
const labelled = (name: string, value: string, more: Partial<NodeState> = {}): NodeState =>
  node(name, { labels: { 'upgrade.openeuler.org/node-selector': value }, ...more });
/** A node of a serial batch. */
const inTurn = (name: string, more: Partial<NodeState> = {}): NodeState =>
  node(name, { labels: { 'upgrade.openeuler.org/serial': '' }, ...more });
const up = (spec: object = {}, status: OSStatus | null = {}) => os('up', spec, status);

const three = [node('n1'), node('n2'), node('n3')];
const mark = { 'monok8s.io/rollout': 'uid-of-up/1' };
const newer: OSStatus = { rolloutStartedAt: ago(1) };
const older: OSStatus = { rolloutStartedAt: ago(5000) };
const NEW: OSStatus = { phase: 'Pending' };
const downloading = { status: { phase: 'Downloading', attempt: 1 } } as const;
const draining = {
  gate: { state: 'Draining', attempt: 1 },
  status: { phase: 'Draining', attempt: 1 },
} as const;
const rebooting = (secondsAgo: number) =>
  ({
    gate: { state: 'Open', attempt: 1 },
    status: { phase: 'Rebooting', attempt: 1, lastUpdatedAt: ago(secondsAgo) },
  }) as const;
const done = (more: OSUpgradeProgressStatus = {}) =>
  ({ status: { phase: 'Completed', attempt: 1, completedAt: ago(400), ...more } }) as const;
const failed = {
  status: { phase: 'Failed', attempt: 1, failureReason: 'InsecureAddress', message: 'plain http' },
} as const;
const rollback = { opstype: 'rollback', osversion: 'KubeOS 0.9.0', imagetype: '' };
/** What an older schema let through. */
const stored = (spec: object) => ({ ...up(), spec: StoredOSSpec.parse(spec) });
const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `n${String(from + i).padStart(2, '0')}`);
const all = (count: number, more: (name: string) => NodeState = name => node(name)): NodeState[] =>
  names(1, count).map(more);

const groups: Readonly<Record<string, readonly Case[]>> = {
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
  'when: parallel': [
    {
      name: 'within 15 s of the last beginning',
      nodes: three,
      request: up({ maxunavailable: 2 }),
      progresses: [progress({ on: 'n1', age: 5, ...downloading })],
      plans: [],
      reason: 'NodesRunning',
      counts: { waiting: 2 },
      recheckInMs: 10_000,
    },
    {
      name: '15 s after it',
      nodes: three,
      request: up({ maxunavailable: 2 }),
      progresses: [progress({ on: 'n1', age: 15, ...downloading })],
      plans: ['n2'],
    },
    {
      name: 'timeinterval 0 waits for nothing',
      nodes: three,
      request: up({ maxunavailable: 2, timeinterval: 0 }),
      progresses: [progress({ on: 'n1', age: 0, ...downloading })],
      plans: ['n2'],
    },
    {
      name: 'all that may begin begin together',
      nodes: all(6),
      request: up({ maxunavailable: 5, timeinterval: 3600 }),
      plans: names(1, 5),
    },
    {
      name: 'it says when it goes on',
      nodes: [node('n1', { osImage: 'KubeOS 1.0.1' }), node('n2')],
      request: up({ timeinterval: 60 }),
      progresses: [progress({ on: 'n1', age: 20, ...done() })],
      plans: [],
      reason: 'IntervalNotOver',
      message:
        /waits: the next batch begins at 2026-01-05T12:00:40Z, 60 s after the one before \(spec\.timeinterval\)$/,
      recheckInMs: 40_000,
    },
    {
      name: "the API server's clock is a little ahead",
      nodes: three,
      request: up({ maxunavailable: 2 }),
      progresses: [progress({ on: 'n1', age: -10, ...downloading })],
      plans: [],
      recheckInMs: 25_000,
    },
    {
      name: 'it is hours ahead: that stops nothing',
      nodes: three,
      request: up({ maxunavailable: 2 }),
      progresses: [progress({ on: 'n1', age: -7200, ...downloading })],
      plans: ['n2'],
    },
    {
      name: 'what another rollout began does not count',
      nodes: three,
      request: up({ timeinterval: 3600 }, { rollout: 2 }),
      progresses: [progress({ on: 'n3', age: 5, ...failed })],
      plans: ['n1'],
    },
    {
      name: 'an interval below 0 is a mistake',
      nodes: three,
      request: up({ timeinterval: -1 }, NEW),
      plans: [],
      phase: 'Rejected',
      reason: 'TimeIntervalInvalid',
    },
    {
      name: 'so is one of many years',
      nodes: three,
      request: up({ timeinterval: 9_007_199_254_740_991 }, NEW),
      plans: [],
      phase: 'Rejected',
      reason: 'TimeIntervalInvalid',
    },
  ],
  'when: serial': [
    {
      name: 'a batch of the size of the budget, one of it now',
      nodes: three,
      request: up({ executionmode: 'serial', maxunavailable: 2 }),
      plans: ['n1'],
      turns: ['+n1', '+n2'],
    },
    {
      name: 'the next of the batch waits for the one at work',
      nodes: [inTurn('n1'), inTurn('n2'), node('n3')],
      request: up({ executionmode: 'serial', maxunavailable: 2 }),
      progresses: [progress({ on: 'n1', ...downloading })],
      plans: [],
      turns: [],
      counts: { running: 1, waiting: 2 },
    },
    {
      name: 'it follows at once, without the interval',
      nodes: [inTurn('n1', { osImage: 'KubeOS 1.0.1' }), inTurn('n2'), node('n3')],
      request: up({ executionmode: 'serial', maxunavailable: 2, timeinterval: 3600 }),
      progresses: [progress({ on: 'n1', ...done({ completedAt: ago(1) }) })],
      plans: ['n2'],
      turns: ['-n1'],
    },
    {
      name: 'between batches the interval passes',
      nodes: [node('n1', { osImage: 'KubeOS 1.0.1' }), inTurn('n2', { osImage: 'KubeOS 1.0.1' }), node('n3')],
      request: up({ executionmode: 'serial', maxunavailable: 2, timeinterval: 60 }),
      progresses: [
        progress({ on: 'n1', ...done({ completedAt: ago(90) }) }),
        progress({ on: 'n2', ...done({ completedAt: ago(20) }) }),
      ],
      plans: [],
      turns: ['-n2'],
      reason: 'IntervalNotOver',
      recheckInMs: 40_000,
    },
    {
      name: 'then the next batch begins',
      nodes: [node('n1', { osImage: 'KubeOS 1.0.1' }), node('n2'), node('n3')],
      request: up({ executionmode: 'serial', maxunavailable: 2, timeinterval: 60 }),
      progresses: [progress({ on: 'n1', ...done({ completedAt: ago(60) }) })],
      plans: ['n2'],
      turns: ['+n2', '+n3'],
    },
    {
      name: 'not beside a node that the rollout before still reboots',
      nodes: three,
      request: up({ executionmode: 'serial', maxunavailable: 3 }, { rollout: 2 }),
      progresses: [progress({ on: 'n2', rollout: 1, ...draining })],
      plans: [],
      counts: { waiting: 3 },
    },
    {
      name: 'a failed node ends its turn and keeps its place',
      nodes: [inTurn('n1'), inTurn('n2'), node('n3')],
      request: up({ executionmode: 'serial', maxunavailable: 2 }),
      progresses: [progress({ on: 'n1', ...failed })],
      plans: ['n2'],
      turns: ['-n1'],
    },
    {
      name: 'outside the window no batch begins',
      nodes: three,
      request: up({ executionmode: 'serial', timewindow: { starttime: '13:00:00', endtime: '14:00:00' } }),
      plans: [],
      turns: [],
      reason: 'WindowClosed',
    },
    {
      name: 'a label that is left of a parallel time goes',
      nodes: [inTurn('n1', { osImage: 'KubeOS 1.0.1' })],
      request: up({ executionmode: 'serial' }),
      plans: [],
      turns: ['-n1'],
      reason: 'Complete',
    },
  ],
  'when: window': [
    {
      name: 'closed: it says when it opens, in the words and the zone of the window',
      nodes: three,
      request: up({ timewindow: { starttime: '13:00:00', endtime: '14:00:00' } }),
      plans: [],
      phase: 'Accepted',
      reason: 'WindowClosed',
      message: /the time window opens at 2026-01-05T13:00:00Z \(13:00:00 to 14:00:00 in the time zone UTC\)$/,
      recheckInMs: 3_600_000,
    },
    {
      name: 'over midnight',
      nodes: three,
      request: up({ timewindow: { starttime: '22:00:00', endtime: '12:00:01' } }),
      plans: ['n1'],
      recheckInMs: 1000,
    },
    {
      name: 'by dates',
      nodes: three,
      request: up({ timewindow: { starttime: '2026-01-05 12:00:00', endtime: '2026-01-05 13:00:00' } }),
      plans: ['n1'],
    },
    {
      name: 'by dates that have passed',
      nodes: three,
      request: up({ timewindow: { starttime: '2026-01-04 12:00:00', endtime: '2026-01-05 12:00:00' } }),
      plans: [],
      reason: 'WindowClosed',
      message: /the time window is over: change spec\.timewindow to go on/,
    },
    {
      name: 'both ends empty: none',
      nodes: three,
      request: up({ timewindow: { starttime: '', endtime: '' } }),
      plans: ['n1'],
    },
    {
      name: 'a mistake in it, at first',
      nodes: three,
      request: up({ timewindow: { starttime: '13:00:00', endtime: '' } }, NEW),
      plans: [],
      phase: 'Rejected',
      reason: 'TimeWindowInvalid',
    },
    {
      name: 'a mistake in it while it runs: nothing begins, what runs goes on',
      nodes: three,
      request: up({ maxunavailable: 3, timewindow: { starttime: '13:00:00', endtime: '1pm' } }),
      progresses: [progress({ on: 'n1', ...downloading })],
      plans: [],
      phase: 'Accepted',
      message: /works on n1; nothing else begins: spec\.timewindow: endtime is "1pm"/,
      conditions: { Progressing: 'NodesRunning', Degraded: 'TimeWindowInvalid' },
    },
    {
      name: 'a mistake in it when all is done is told too',
      nodes: [node('n1', { osImage: 'KubeOS 1.0.1' })],
      request: up({ timewindow: { starttime: '13:00:00', endtime: '13:00:00' } }),
      plans: [],
      conditions: { Complete: 'Complete', Degraded: 'TimeWindowInvalid' },
    },
  ],
  'which version': [
    {
      name: 'another major version, on every node',
      nodes: three,
      request: up({ osversion: 'KubeOS 2.0.0' }, NEW),
      plans: [],
      phase: 'Rejected',
      reason: 'MajorVersionChange',
      message: /^n1: KubeOS 2\.0\.0 \(spec\.osversion\) .* KubeOS 1\.0\.0, which the node runs/,
      counts: { skipped: 3 },
    },
    {
      name: 'another one on some: those are named',
      nodes: [node('n1', { osImage: 'KubeOS 2.1.0' }), node('n2')],
      plans: ['n2'],
      phase: 'Accepted',
      skipped: [['n1', 'MajorVersionChange']],
    },
    {
      name: 'a version without a number passes',
      nodes: three,
      request: up({ osversion: 'KubeOS latest' }),
      plans: ['n1'],
      phase: 'Accepted',
    },
    {
      name: 'so does a node whose version has none',
      nodes: [node('n1', { osImage: 'KubeOS latest' })],
      plans: ['n1'],
    },
    {
      name: 'back to an older version by an upgrade',
      nodes: [node('n1', { osImage: 'KubeOS 1.9.0' })],
      plans: ['n1'],
    },
    {
      name: 'a node that runs it already is left alone',
      nodes: [node('n1', { osImage: 'KubeOS 1.0.1' })],
      plans: [],
      reason: 'Complete',
      message: /^1 of 1 nodes run KubeOS 1\.0\.1$/,
    },
    {
      name: 'not quite that name is another version',
      nodes: [node('n1', { osImage: 'KubeOS 1.0.1 ' }), node('n2', { osImage: 'kubeos 1.0.1' })],
      request: up({ maxunavailable: 2 }),
      plans: ['n1', 'n2'],
    },
    {
      name: 'after it was done a node runs something else: told, not fought',
      nodes: [node('n1', { annotations: mark }), node('n2')],
      progresses: [progress({ on: 'n1', ...done({ bootId: 'boot-0' }) })],
      plans: ['n2'],
      counts: { drifted: 1 },
      conditions: { Progressing: 'NodesRunning', Degraded: 'Drifted' },
    },
    {
      name: 'likewise when its object was deleted',
      nodes: [node('n1', { annotations: mark })],
      plans: [],
      reason: 'Complete',
      counts: { drifted: 1 },
    },
    {
      name: 'done, and the kubelet has not told of this boot yet: no drift',
      nodes: [node('n1', { annotations: mark, bootId: 'boot-1', agentBootId: 'boot-2' })],
      progresses: [progress({ on: 'n1', ...done({ bootId: 'boot-1' }) })],
      plans: [],
      reason: 'Complete',
      counts: { updated: 1 },
    },
    {
      name: 'likewise when its object was deleted at once',
      nodes: [node('n1', { annotations: mark, bootId: 'boot-1', agentBootId: 'boot-2' })],
      plans: [],
      counts: { updated: 1 },
    },
    {
      name: 'nor is it what another rollout begins with',
      nodes: [node('n1', { annotations: mark, bootId: 'boot-1', agentBootId: 'boot-2' }), node('n2')],
      request: up({ maxunavailable: 2 }, { rollout: 2 }),
      progresses: [progress({ on: 'n1', rollout: 1, ...done({ bootId: 'boot-1' }) })],
      plans: ['n2'],
      counts: { waiting: 1, running: 1 },
    },
    {
      name: 'a node that the rollout before takes away from the version is not done',
      nodes: [node('n1', { osImage: 'KubeOS 1.0.1' })],
      request: up({}, { rollout: 2 }),
      progresses: [progress({ on: 'n1', rollout: 1, ...draining })],
      plans: [],
      reason: 'OtherPlanRunning',
    },
  ],
  rollback: [
    {
      name: 'the other slot holds it',
      nodes: [node('n1', { otherPrettyName: 'KubeOS 0.9.0' })],
      request: up(rollback),
      plans: ['n1'],
    },
    {
      name: 'another major version is no hindrance',
      nodes: [node('n1', { otherPrettyName: 'KubeOS 9.0.0' })],
      request: up({ ...rollback, osversion: 'KubeOS 9.0.0' }),
      plans: ['n1'],
    },
    {
      name: 'on every node it holds something else',
      nodes: [node('n1', { otherPrettyName: 'KubeOS 0.8.0' }), node('n2')],
      request: up(rollback, NEW),
      plans: [],
      phase: 'Rejected',
      reason: 'RollbackImpossible',
      message: /^n1: the other slot holds KubeOS 0\.8\.0, not KubeOS 0\.9\.0 \(spec\.osversion\)/,
    },
    {
      name: 'on every node it holds nothing',
      nodes: three,
      request: up(rollback, NEW),
      plans: [],
      phase: 'Rejected',
      reason: 'RollbackImpossible',
      message: /no readable system/,
    },
    {
      name: 'on one node it holds something else',
      nodes: [
        node('n1', { otherPrettyName: 'KubeOS 0.8.0' }),
        node('n2', { otherPrettyName: 'KubeOS 0.9.0' }),
      ],
      request: up(rollback),
      plans: ['n2'],
      skipped: [['n1', 'RollbackImpossible']],
    },
    {
      name: 'one that runs it already is done, though its other slot holds another',
      nodes: [node('n1', { osImage: 'KubeOS 0.9.0', otherPrettyName: 'KubeOS 1.0.0' })],
      request: up(rollback),
      plans: [],
      reason: 'Complete',
    },
  ],
  'several requests': [
    {
      name: 'the newer of two with the same nodeselector owns the nodes',
      nodes: three,
      others: [os('old', {}, older)],
      plans: ['n1'],
      conditions: { Progressing: 'NodesRunning' },
    },
    {
      name: 'and the older says so',
      nodes: three,
      others: [os('new', {}, newer)],
      plans: [],
      phase: 'Accepted',
      reason: 'Superseded',
      skipped: [
        ['n1', 'Superseded'],
        ['n2', 'Superseded'],
        ['n3', 'Superseded'],
      ],
      conditions: { Superseded: 'Superseded' },
    },
    {
      name: 'overlapping: it goes on with the rest',
      nodes: [labelled('n1', 'x'), node('n2')],
      request: up({ nodeselector: 'all-label' }),
      others: [os('new', { nodeselector: 'x' }, newer)],
      plans: ['n2'],
      skipped: [['n1', 'Superseded']],
    },
    {
      name: 'a newer OSUpgrade owns them too',
      nodes: three,
      others: [request('new', {}, newer)],
      plans: [],
      reason: 'Superseded',
    },
    {
      name: 'and is the older one in its turn',
      nodes: [nodeOf('n1', { osImage: 'KubeOS 1.0.0' })],
      request: request('up'),
      others: [os('new', {}, newer)],
      plans: [],
      reason: 'Superseded',
    },
    {
      name: 'it owns control-plane nodes, which an OS never does',
      nodes: [controlPlane('c1')],
      request: request('up'),
      others: [os('new', {}, newer)],
      plans: ['c1'],
    },
    {
      name: 'a newer one that is rejected owns nothing',
      nodes: three,
      others: [os('new', {}, { ...newer, phase: 'Rejected' })],
      plans: ['n1'],
    },
    {
      name: 'the newer one is gone: the older begins nothing',
      nodes: three,
      request: up(
        {},
        { supersededBy: [{ kind: 'OS', namespace: 'a', name: 'new', nodeselector: 'no-label' }] },
      ),
      plans: [],
      reason: 'Superseded',
      message: /newer requests took all of its nodes over/,
    },
    {
      name: 'likewise where it had only some',
      nodes: [labelled('n1', 'x'), node('n2')],
      request: up(
        { nodeselector: 'all-label' },
        { supersededBy: [{ kind: 'OS', namespace: 'a', name: 'new', nodeselector: 'x' }] },
      ),
      plans: ['n2'],
      skipped: [['n1', 'Superseded']],
    },
    {
      name: 'hundreds that were lost do not stop the rest',
      nodes: [...all(300, name => labelled(name, 'x')), node('z')],
      request: up(
        { nodeselector: 'all-label' },
        { supersededBy: [{ kind: 'OS', namespace: 'a', name: 'new', nodeselector: 'x' }] },
      ),
      plans: ['z'],
      counts: { total: 301, skipped: 300 },
    },
    {
      name: 'until it is changed',
      nodes: three,
      request: up(
        {},
        { rolloutKey: 'x', supersededBy: [{ kind: 'OS', name: 'n', nodeselector: 'no-label' }] },
      ),
      plans: ['n1'],
    },
    {
      name: 'what is changed last is the newest, though the clock of the controller before was ahead',
      nodes: three,
      request: up({}, { rolloutKey: 'changed' }),
      others: [os('old', {}, { rolloutStartedAt: ago(-3600) })],
      plans: ['n1'],
      conditions: { Progressing: 'NodesRunning' },
    },
    {
      name: 'an OSUpgrade drains one of the nodes: it begins afterwards',
      nodes: three,
      request: up({ maxunavailable: 3 }, NEW),
      others: [request('old', {}, older)],
      progresses: [progressOf({ of: 'old', on: 'n2', ...draining })],
      plans: [],
      phase: 'Pending',
      reason: 'WaitingForOtherRequest',
      message: /^n2 is being drained or rebooted for OSUpgrade old/,
    },
    {
      name: 'it looks again when the node should have come back from its reboot',
      nodes: [node('n1', { ready: false })],
      request: up({}, NEW),
      others: [request('old', {}, older)],
      progresses: [progressOf({ of: 'old', on: 'n1', ...rebooting(1490) })],
      plans: [],
      phase: 'Pending',
      reason: 'WaitingForOtherRequest',
      recheckInMs: 10_000,
    },
    {
      name: 'a node that never comes back holds its place, and not the whole rollout',
      nodes: [node('n1', { ready: false }), node('n2')],
      request: up({ maxunavailable: 2 }, NEW),
      others: [request('old', {}, older)],
      progresses: [progressOf({ of: 'old', on: 'n1', ...rebooting(1501) })],
      plans: ['n2'],
      phase: 'Accepted',
      counts: { waiting: 1, running: 1 },
    },
    {
      name: 'with one place alone it says who has it',
      nodes: [node('n1', { ready: false }), node('n2')],
      request: up({}, NEW),
      others: [request('old', {}, older)],
      progresses: [progressOf({ of: 'old', on: 'n1', ...rebooting(1501) })],
      plans: [],
      phase: 'Accepted',
      reason: 'OtherPlanRunning',
    },
    {
      name: 'an OS drains one: it is named with its namespace',
      nodes: three,
      request: request('up', {}, NEW),
      others: [os('old', {}, older)],
      progresses: [progress({ of: 'old', on: 'n2', ...draining })],
      plans: [],
      phase: 'Pending',
      message: /for OS default\/old/,
    },
    {
      name: 'what another request has at work counts in the budget',
      nodes: three,
      progresses: [progressOf({ of: 'old', on: 'n3', ...downloading })],
      others: [request('old', {}, older)],
      plans: [],
      reason: 'BudgetExhausted',
    },
  ],
  'what is not there yet, and what is wrong': [
    ...(
      [
        ['config', { opstype: 'config' }, /spec\.opstype "config"/],
        ['settings', { sysconfigs: { version: 'v1' } }, /spec\.sysconfigs/],
        ['settings without a version', { sysconfigs: { configs: [{ model: 'x' }] } }, /spec\.sysconfigs/],
        ['settings before the upgrade', { upgradeconfigs: { version: 'v1' } }, /spec\.upgradeconfigs/],
      ] as const
    ).map(([name, spec, message]) => ({
      name: `${name}: refused by name`,
      nodes: three,
      request: up(spec, NEW),
      plans: [],
      phase: 'Rejected',
      reason: 'ConfigUnsupported',
      message,
    })),
    {
      name: 'the empty settings of clients in Go are none',
      nodes: three,
      request: up({
        sysconfigs: { version: '', configs: [] },
        upgradeconfigs: { version: '' },
      }),
      plans: ['n1'],
    },
    {
      name: 'settings that come while it runs end it, also when all is done',
      nodes: [node('n1', { osImage: 'KubeOS 1.0.1' })],
      request: { ...up(), spec: { ...up().spec, sysconfigs: { version: 'v2' } } },
      plans: [],
      phase: 'Rejected',
      reason: 'ConfigUnsupported',
    },
    {
      name: 'without them it begins again, what was cancelled included',
      nodes: [node('n1')],
      request: up(
        {},
        { phase: 'Rejected', reason: 'ConfigUnsupported', rolloutKey: 'with-settings', rollout: 2 },
      ),
      progresses: [
        progress({
          on: 'n1',
          rollout: 1,
          gate: { state: 'Cancelled', attempt: 1 },
          status: { phase: 'Failed', attempt: 1, failureReason: 'RequestChanged' },
        }),
      ],
      plans: ['n1'],
      phase: 'Accepted',
    },
    {
      name: 'plain http without flagSafe goes through: the agent refuses it, and its log tells',
      nodes: three,
      request: up({ imageurl: 'http://a.example/os.tar', flagSafe: false }),
      plans: ['n1'],
    },
    {
      name: 'what an older schema let through is told, field by field',
      nodes: three,
      request: stored({ osversion: 'KubeOS 1.0.1', opstype: 'upgrade', maxunavailable: 1, imagetype: 'iso' }),
      plans: [],
      phase: 'Rejected',
      reason: 'SpecInvalid',
      message: /imagetype/,
    },
    {
      name: 'no spec at all',
      nodes: three,
      request: stored({}),
      plans: [],
      phase: 'Rejected',
      reason: 'SpecInvalid',
      message: /osversion/,
    },
    {
      name: 'a rejected one stays so while nobody changes it, though it could be done by now',
      nodes: [node('n1', { otherPrettyName: 'KubeOS 0.9.0' })],
      request: up(rollback, { phase: 'Rejected', reason: 'RollbackImpossible', message: 'x' }),
      plans: [],
      phase: 'Rejected',
    },
  ],
};

describe('decideRequest for an OS', () => {
  for (const [group, cases] of Object.entries(groups))
    describe(group, () => {
      for (const want of cases) it(want.name, () => expectDecision({ request: up(), ...want }));
    });
});
