import { expect } from 'chai';
import type { OSUpgrade, OSUpgradeStatus } from '../../../src/api/monok8s/index.ts';
import type { Successor } from '../../../src/api/request-status.ts';
import { decideRequest } from '../../../src/reconcilers/request/decide.ts';
import { ago, controlPlane, fleet, IMAGE, NOW_MS, node, progress, request } from '../objects.ts';
import { asked, type Case, expectDecision } from './cases.ts';

const NOON = { startTime: '13:00:00', endTime: '14:00:00' };
const mark = { 'monok8s.io/rollout': 'uid-of-up/1' };
const three = [node('n1'), node('n2'), node('n3')];
const newer: OSUpgradeStatus = { rolloutStartedAt: ago(1) };
const older: OSUpgradeStatus = { rolloutStartedAt: ago(5000) };
const draining = {
  gate: { state: 'Draining', attempt: 1 },
  status: { phase: 'Draining', attempt: 1 },
} as const;
const completed = { status: { phase: 'Completed', attempt: 1 } } as const;
const failed = {
  status: { phase: 'Failed', attempt: 1, failureReason: 'ChecksumMismatch', message: 'bad' },
} as const;

/** A request that is gone, and that took the nodes with the label a=b over. */
const TAKER: Successor = { kind: 'OSUpgrade', name: 'gone', nodeSelector: { a: 'b' } };
const labelled = [node('n1', { labels: { a: 'b' } }), node('n2'), node('n3')];

const ELSEWHERE = { catalog: { configMap: 'images-cm' } };
const REFUSED: OSUpgradeStatus = { phase: 'Rejected', reason: 'VersionNotInCatalog', message: 'x' };
/** A request whose image never came to be known. */
const refused = (spec: object = {}): OSUpgrade => {
  const made = request('up', spec, REFUSED);
  const { image: _, ...status } = { ...made.status };
  return { ...made, status };
};

const cases: Case[] = [
  {
    name: 'takes the first node',
    nodes: three,
    plans: ['n1'],
    phase: 'Accepted',
    reason: 'NodesRunning',
    counts: { running: 1, waiting: 2 },
  },
  {
    name: 'as many as the budget allows',
    nodes: three,
    request: request('up', { maxUnavailable: 2 }),
    plans: ['n1', 'n2'],
  },
  {
    name: 'percent rounds down',
    nodes: three,
    request: request('up', { maxUnavailable: '67%' }),
    plans: ['n1', 'n2'],
  },
  {
    name: 'percent is at least 1',
    nodes: three,
    request: request('up', { maxUnavailable: '1%' }),
    plans: ['n1'],
  },
  {
    name: 'a running plan holds the budget',
    nodes: three,
    progresses: [progress({ on: 'n1', status: { phase: 'Downloading', attempt: 1 } })],
    plans: [],
    unmarked: [],
    counts: { running: 1, waiting: 2 },
  },
  {
    name: 'a plan that no agent has begun holds it too',
    nodes: three,
    progresses: [progress({ on: 'n1' })],
    plans: [],
    unmarked: [],
  },
  {
    name: 'a plan whose node is being drained has changed nothing yet',
    nodes: three,
    progresses: [progress({ on: 'n1', ...draining })],
    plans: [],
    unmarked: [],
  },
  {
    name: 'a plan whose node may reboot has acted',
    nodes: three,
    progresses: [
      progress({ on: 'n1', gate: { state: 'Open', attempt: 1 }, status: { phase: 'Draining', attempt: 1 } }),
    ],
    plans: [],
    unmarked: ['n1'],
  },
  {
    name: 'a plan that ended while no controller ran has acted, whatever the node runs by now',
    nodes: [node('n1', { version: 'v1.35.1' }), node('n2', { agentBootId: 'boot-2', bootId: 'boot-2' })],
    progresses: ['n1', 'n2'].map(on =>
      progress({ on, status: { phase: 'Completed', attempt: 1, bootId: 'boot-1' } }),
    ),
    plans: [],
    unmarked: ['n1', 'n2'],
    counts: { updated: 1, drifted: 1 },
  },
  {
    name: 'an object that was deleted before its node was free to reboot is made again',
    nodes: [node('n1')],
    plans: ['n1'],
    unmarked: [],
  },
  {
    name: "another request's plan counts",
    nodes: three,
    others: [request('else', { nodeSelector: { never: 'x' } })],
    progresses: [progress({ of: 'else', on: 'n2', status: { phase: 'Downloading', attempt: 1 } })],
    plans: [],
    reason: 'BudgetExhausted',
  },
  {
    name: 'a NotReady node counts, and gets no plan',
    nodes: [node('n1', { ready: false }), node('n2')],
    plans: [],
    counts: { waiting: 2 },
    reason: 'NodeNotReady',
  },
  {
    name: 'a cordoned node counts against others',
    nodes: [node('n1', { unschedulable: true }), node('n2')],
    request: request('up', { maxUnavailable: 1 }),
    plans: ['n1'],
  },
  {
    name: 'our own cordon does not',
    nodes: [
      node('n1', {
        version: 'v1.35.1',
        unschedulable: true,
        annotations: { ...mark, 'monok8s.io/cordoned-by': 'x' },
      }),
      node('n2'),
    ],
    plans: ['n2'],
  },
  {
    name: 'a failed node keeps its place',
    nodes: three,
    progresses: [progress({ on: 'n1', ...failed })],
    plans: [],
    reason: 'NodesFailed',
    counts: { failed: 1, waiting: 2 },
    unmarked: ['n1'],
    conditions: { Degraded: 'NodesFailed' },
  },
  {
    name: 'with a larger budget it goes on',
    nodes: three,
    request: request('up', { maxUnavailable: 2 }),
    progresses: [progress({ on: 'n1', ...failed })],
    plans: ['n2'],
    unmarked: ['n1'],
    conditions: { Progressing: 'NodesRunning', Degraded: 'NodesFailed' },
  },
  {
    name: 'a failed node that is retried runs',
    nodes: three,
    progresses: [progress({ on: 'n1', ...failed, retryNonce: 'a' })],
    plans: [],
    counts: { running: 1 },
    unmarked: ['n1'],
  },
  {
    name: 'a node at the version needs no plan',
    nodes: [node('n1', { version: '1.35.1' }), node('n2')],
    plans: ['n2'],
    counts: { updated: 1, running: 1 },
  },
  {
    name: 'all done',
    nodes: [node('n1', { version: 'v1.35.1', annotations: mark })],
    progresses: [progress({ on: 'n1', ...completed })],
    plans: [],
    reason: 'Complete',
    counts: { updated: 1 },
    conditions: { Complete: 'Complete' },
  },
  {
    name: 'the object is gone, the node drifted: left alone',
    nodes: [node('n1', { annotations: mark })],
    plans: [],
    reason: 'Complete',
    message: /^0 of 1 nodes run v1.35.1; drifted: n1$/,
    counts: { drifted: 1 },
    conditions: { Complete: 'Complete', Degraded: 'Drifted' },
  },
  {
    name: 'it drifted with its object there: left alone',
    nodes: [node('n1', { annotations: mark })],
    progresses: [progress({ on: 'n1', ...completed })],
    plans: [],
    counts: { drifted: 1 },
    conditions: { Complete: 'Complete', Degraded: 'Drifted' },
  },
  {
    name: 'it is done, and its agent has not yet said what it runs since the reboot: no drift',
    nodes: [node('n1', { annotations: mark, agentBootId: 'boot-1' })],
    progresses: [progress({ on: 'n1', status: { ...completed.status, bootId: 'boot-1' } })],
    plans: [],
    reason: 'Complete',
    counts: { updated: 1 },
  },
  {
    name: 'a mark of an earlier rollout means nothing',
    nodes: [node('n1', { annotations: mark })],
    request: request('up', {}, { rollout: 2 }),
    plans: ['n1'],
  },
  { name: 'no node', nodes: [], plans: [], reason: 'NoNodes', counts: { total: 0 } },
  {
    name: 'an empty selector means nodes with an agent',
    nodes: [node('n1', { hasReported: false, hasAgentPod: false, version: '' }), node('n2')],
    plans: ['n2'],
    counts: { total: 1 },
  },
  {
    name: 'a selected node without agent is skipped',
    nodes: [
      node('n1', { labels: { a: 'b' }, hasReported: false, version: '' }),
      node('n2', { labels: { a: 'b' } }),
    ],
    request: request('up', { nodeSelector: { a: 'b' } }),
    plans: ['n2'],
    counts: { total: 2, skipped: 1 },
    skipped: [['n1', 'AgentMissing']],
  },
  {
    name: 'an agent whose pod is gone',
    nodes: [node('n1', { hasAgentPod: false }), node('n2')],
    plans: ['n2'],
    skipped: [['n1', 'AgentMissing']],
    conditions: { Progressing: 'NodesRunning', Degraded: 'AgentMissing' },
  },
  {
    name: 'a running plan whose agent is gone',
    nodes: [node('n1', { hasAgentPod: false, annotations: mark })],
    progresses: [progress({ on: 'n1', status: { phase: 'Downloading', attempt: 1 } })],
    plans: [],
    conditions: { Progressing: 'NodesRunning', Degraded: 'AgentSilent' },
  },
  {
    name: 'a download that is not heard of',
    nodes: [node('n1', { annotations: mark })],
    progresses: [
      progress({ on: 'n1', status: { phase: 'Downloading', attempt: 1, lastUpdatedAt: ago(661) } }),
    ],
    plans: [],
    conditions: { Progressing: 'NodesRunning', Degraded: 'AgentSilent' },
  },
  {
    name: 'a download that is heard of',
    nodes: [node('n1', { annotations: mark })],
    progresses: [
      progress({ on: 'n1', status: { phase: 'Downloading', attempt: 1, lastUpdatedAt: ago(600) } }),
    ],
    plans: [],
    conditions: { Progressing: 'NodesRunning' },
    recheckInMs: 60_000,
  },
  {
    name: 'a node that does not come back',
    nodes: [node('n1', { ready: false, hasAgentPod: false, annotations: mark })],
    progresses: [
      progress({
        on: 'n1',
        gate: { state: 'Open', attempt: 1 },
        status: { phase: 'Rebooting', attempt: 1, lastUpdatedAt: ago(1501) },
      }),
    ],
    plans: [],
    conditions: { Progressing: 'NodesRunning', Degraded: 'NodeNotBack' },
  },
  {
    name: 'a node that came back without its agent',
    nodes: [node('n1', { bootId: 'boot-of-the-trial', hasAgentPod: false, annotations: mark })],
    progresses: [
      progress({
        on: 'n1',
        gate: { state: 'Open', attempt: 1 },
        status: { phase: 'Rebooting', attempt: 1, bootId: 'boot-before', lastUpdatedAt: ago(1501) },
      }),
    ],
    plans: [],
    conditions: { Progressing: 'NodesRunning', Degraded: 'AgentSilent' },
  },
  {
    name: 'one that may yet',
    nodes: [node('n1', { ready: false, hasAgentPod: false, annotations: mark })],
    progresses: [
      progress({
        on: 'n1',
        gate: { state: 'Open', attempt: 1 },
        status: { phase: 'Rebooting', attempt: 1, lastUpdatedAt: ago(1499) },
      }),
    ],
    plans: [],
    conditions: { Progressing: 'NodesRunning' },
    recheckInMs: 1000,
  },
  {
    name: 'a downgrade of every node',
    nodes: three,
    request: request(
      'up',
      { version: 'v1.33.2' },
      { image: { ...IMAGE, version: 'v1.33.2' }, phase: 'Pending' },
    ),
    plans: [],
    phase: 'Rejected',
    reason: 'Downgrade',
    counts: { skipped: 3 },
  },
  {
    name: 'a downgrade of one node',
    nodes: [node('n1', { version: 'v1.36.0' }), node('n2')],
    plans: ['n2'],
    phase: 'Accepted',
    skipped: [['n1', 'Downgrade']],
  },
  {
    name: 'two minors ahead',
    nodes: [node('n1', { version: 'v1.33.0' })],
    plans: [],
    phase: 'Rejected',
    reason: 'VersionSkew',
    message: /upgrade to v1\.\d+ first; then change this request, or delete it and apply it again$/,
  },
  {
    name: 'a version that is not one',
    nodes: [node('n1', { version: 'rolling' })],
    plans: [],
    phase: 'Rejected',
    reason: 'VersionUnknown',
  },
  {
    name: 'a rejected request stays so',
    nodes: three,
    request: request('up', {}, { phase: 'Rejected', reason: 'Downgrade', message: 'x' }),
    plans: [],
    phase: 'Rejected',
    reason: 'Downgrade',
  },
  {
    name: 'until a person touches it',
    nodes: three,
    request: request('up', {}, { phase: 'Rejected', reason: 'Downgrade', observedGeneration: 0 }),
    plans: ['n1'],
    phase: 'Accepted',
  },
  {
    name: 'a catalog in the request that was refused stays so',
    nodes: three,
    request: refused(),
    catalog: { state: 'resolved', image: IMAGE },
    plans: [],
    phase: 'Rejected',
    reason: 'VersionNotInCatalog',
  },
  {
    name: 'one elsewhere that was refused is being read again',
    nodes: three,
    request: refused(ELSEWHERE),
    plans: [],
    phase: 'Rejected',
    reason: 'VersionNotInCatalog',
  },
  {
    name: 'and begins when it was corrected',
    nodes: three,
    request: refused(ELSEWHERE),
    catalog: { state: 'resolved', image: IMAGE },
    plans: ['n1'],
    phase: 'Accepted',
  },
  {
    name: 'but not when it was a downgrade',
    nodes: three,
    request: request('up', ELSEWHERE, { phase: 'Rejected', reason: 'Downgrade' }),
    catalog: { state: 'resolved', image: IMAGE },
    plans: [],
    phase: 'Rejected',
    reason: 'Downgrade',
  },
  {
    name: 'the catalog is being read',
    nodes: three,
    request: request('up', {}, null),
    plans: [],
    phase: 'Pending',
    reason: 'CatalogReading',
  },
  {
    name: 'the catalog cannot be read',
    nodes: three,
    request: request('up', {}, null),
    catalog: { state: 'unreadable', reason: 'CatalogForbidden', message: 'x' },
    plans: [],
    phase: 'Pending',
    reason: 'CatalogForbidden',
  },
  {
    name: 'the catalog is wrong',
    nodes: three,
    request: request('up', {}, null),
    catalog: { state: 'refused', reason: 'CatalogMalformed', message: 'x' },
    plans: [],
    phase: 'Rejected',
    reason: 'CatalogMalformed',
  },
  {
    name: 'the catalog is right',
    nodes: three,
    request: request('up', {}, null),
    catalog: { state: 'resolved', image: IMAGE },
    plans: ['n1'],
    phase: 'Accepted',
  },
  {
    name: 'paused',
    nodes: three,
    request: request('up', { paused: true }),
    plans: [],
    phase: 'Accepted',
    reason: 'Paused',
    counts: { waiting: 3 },
  },
  {
    name: 'paused while a node waits with its image staged',
    nodes: three,
    request: request('up', { paused: true }),
    progresses: [progress({ on: 'n1', status: { phase: 'Staged', attempt: 1 } })],
    plans: [],
    phase: 'Accepted',
    reason: 'Paused',
    message: /^0 of 3 .*; n1 staged; the request is paused/,
    counts: { running: 1, waiting: 2 },
  },
  {
    name: 'paused while a node is being drained: that goes through',
    nodes: three,
    request: request('up', { paused: true }),
    progresses: [progress({ on: 'n1', ...draining })],
    plans: [],
    reason: 'NodesRunning',
    message: /works on n1; nothing else begins: the request is paused/,
    conditions: { Progressing: 'NodesRunning' },
  },
  {
    name: 'outside the window',
    nodes: three,
    request: request('up', { timeWindow: NOON }),
    plans: [],
    reason: 'WindowClosed',
    recheckInMs: 3_600_000,
  },
  {
    name: 'no such zone',
    nodes: three,
    request: request('up', { timeWindow: { ...NOON, timeZone: 'Mars/X' } }, { phase: 'Pending' }),
    plans: [],
    phase: 'Rejected',
    reason: 'TimeZoneInvalid',
  },
  {
    name: 'no such zone, set while it runs',
    nodes: three,
    request: request('up', { timeWindow: { ...NOON, timeZone: 'Mars/X' } }),
    plans: [],
    phase: 'Accepted',
    reason: 'TimeZoneInvalid',
  },
  {
    name: 'control-plane nodes first',
    nodes: [controlPlane('z1'), node('a1')],
    request: request('up', { maxUnavailable: 5 }),
    plans: ['z1'],
  },
  {
    name: 'one at a time',
    nodes: [controlPlane('z1'), controlPlane('z2')],
    request: request('up', { maxUnavailable: 5 }),
    plans: ['z1'],
  },
  {
    name: 'also when another one is NotReady that nobody selects',
    nodes: [
      controlPlane('z1', { labels: { a: 'b', 'node-role.kubernetes.io/control-plane': '' } }),
      controlPlane('z2', { ready: false }),
    ],
    request: request('up', { nodeSelector: { a: 'b' } }),
    plans: [],
    reason: 'ControlPlaneOneByOne',
  },
  {
    name: 'workers wait while a control-plane node failed',
    nodes: [controlPlane('z1', { annotations: mark }), node('a1')],
    request: request('up', { maxUnavailable: 5 }),
    progresses: [progress({ on: 'z1', ...failed })],
    plans: [],
    reason: 'NodesFailed',
    message: /z1 does not have the minor version of v1\.35\.1 yet: retry or repair the failed nodes$/,
  },
  { name: 'workers follow', nodes: [controlPlane('z1', { version: 'v1.35.1' }), node('a1')], plans: ['a1'] },
  {
    name: 'a patch release does not wait for the minor',
    nodes: [controlPlane('z1', { version: 'v1.35.0' }), node('a1', { version: 'v1.35.0' })],
    request: request('up', { maxUnavailable: 5 }),
    plans: ['z1', 'a1'],
  },
  {
    name: 'no control-plane node selected: the API server counts',
    nodes: three,
    serverVersion: 'v1.34.9',
    plans: [],
    reason: 'ApiServerOlder',
    recheckInMs: 30_000,
  },
  {
    name: 'a newer request owns the nodes',
    nodes: three,
    others: [request('new', {}, newer)],
    plans: [],
    reason: 'Superseded',
    counts: { skipped: 3 },
    skipped: [
      ['n1', 'Superseded'],
      ['n2', 'Superseded'],
      ['n3', 'Superseded'],
    ],
    conditions: { Superseded: 'Superseded' },
  },
  {
    name: 'a newer one owns some',
    nodes: [node('n1', { labels: { a: 'b' } }), node('n2')],
    others: [request('new', { nodeSelector: { a: 'b' } }, newer)],
    plans: ['n2'],
    skipped: [['n1', 'Superseded']],
  },
  {
    name: 'a newer one that is rejected owns nothing',
    nodes: three,
    others: [request('new', {}, { ...newer, phase: 'Rejected' })],
    plans: ['n1'],
  },
  { name: 'an older one owns nothing', nodes: three, others: [request('old', {}, older)], plans: ['n1'] },
  {
    name: 'what was lost stays lost',
    nodes: labelled,
    request: request('up', {}, { supersededBy: [TAKER] }),
    plans: ['n2'],
    skipped: [['n1', 'Superseded']],
  },
  {
    name: 'a new rollout begins with all nodes',
    nodes: labelled,
    request: request('up', {}, { rolloutKey: 'other', supersededBy: [TAKER] }),
    catalog: { state: 'resolved', image: IMAGE },
    plans: ['n1'],
  },
  {
    name: 'lost, though a plan of it still runs there',
    nodes: [node('n1')],
    others: [request('new', {}, newer)],
    progresses: [progress({ on: 'n1', ...draining })],
    plans: [],
    counts: { running: 1 },
    skipped: [['n1', 'Superseded']],
    conditions: { Progressing: 'NodesRunning', Superseded: 'Superseded' },
  },
  {
    name: "waits for an older request's drain",
    nodes: three,
    request: request('up', { maxUnavailable: 5 }, { phase: 'Pending' }),
    others: [request('old', {}, older)],
    progresses: [progress({ of: 'old', on: 'n3', ...draining })],
    plans: [],
    phase: 'Pending',
    reason: 'WaitingForOtherRequest',
  },
  {
    name: 'not for its failed plan',
    nodes: three,
    request: request('up', {}, { phase: 'Pending' }),
    others: [request('old', {}, older)],
    progresses: [progress({ of: 'old', on: 'n3', ...failed })],
    plans: ['n1'],
    phase: 'Accepted',
  },
  {
    name: "one plan on a node: waits for the earlier rollout's",
    nodes: [node('n1')],
    request: request('up', {}, { rollout: 2 }),
    progresses: [
      progress({
        on: 'n1',
        rollout: 1,
        gate: { state: 'Cancelled', attempt: 1 },
        status: { phase: 'Downloading', attempt: 1 },
      }),
    ],
    plans: [],
    reason: 'OtherPlanRunning',
  },
  {
    name: 'adopts what a person made',
    nodes: [node('n1', { annotations: mark }), node('n2')],
    request: request('up', { nodeSelector: { never: 'x' } }),
    progresses: [progress({ on: 'n1', byHand: true })],
    plans: ['n1'],
    counts: { total: 1 },
  },
  {
    name: 'within the budget',
    nodes: three,
    progresses: [
      progress({ on: 'n1', status: { phase: 'Downloading', attempt: 1 } }),
      progress({ on: 'n2', byHand: true }),
    ],
    plans: [],
    unmarked: [],
    counts: { running: 1, waiting: 2 },
  },
  {
    name: 'refuses what a person made',
    nodes: [node('n1', { version: 'v1.36.0' }), node('n2')],
    progresses: [progress({ on: 'n1', byHand: true })],
    plans: ['n2'],
    refused: [['up-n1-1', 'Downgrade']],
  },
  {
    name: 'refuses it for a rejected request',
    nodes: three,
    request: request('up', {}, { phase: 'Rejected', reason: 'VersionBlocked' }),
    progresses: [progress({ on: 'n1', byHand: true })],
    plans: [],
    refused: [['up-n1-1', 'VersionBlocked']],
  },
  {
    name: 'refuses it where a newer request owns the node',
    nodes: three,
    others: [request('new', {}, newer)],
    progresses: [progress({ on: 'n1', byHand: true })],
    plans: [],
    refused: [['up-n1-1', 'Superseded']],
  },
];

describe('decideRequest', () => {
  for (const want of cases) it(want.name, () => expectDecision(want));

  it('decides the same again: nothing is written when nothing changed', () => {
    const subject = request('up');
    const snapshot = {
      serverVersion: 'v1.36.3',
      nowMs: NOW_MS,
      defaultZone: 'UTC',
    };
    const progresses = [progress({ on: 'n1', status: { phase: 'Downloading', attempt: 1 } })];
    const first = decideRequest({
      ...snapshot,
      ...asked(subject),
      fleet: fleet(three, [subject], progresses),
    });
    const again = { ...subject, status: first.status };
    const second = decideRequest({
      ...snapshot,
      nowMs: NOW_MS + 60_000,
      ...asked(again),
      fleet: fleet(three, [again], progresses),
    });
    expect(second.status).to.deep.equal(first.status);
  });
});
