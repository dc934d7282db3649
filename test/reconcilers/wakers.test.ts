import { expect } from 'chai';
import type { OSUpgradeStatus } from '../../src/api/monok8s/index.ts';
import { createWakers } from '../../src/reconcilers/wakers.ts';
import { ago, progress, request } from './objects.ts';

const NONE = { get: () => undefined, list: () => [] };
const up = request('up');

/** Two requests, one with a node at work and one whose image is staged. */
function setUp() {
  const woken: string[] = [];
  const progresses = [
    progress({ on: 'n1' }),
    progress({ on: 'n2', status: { phase: 'Staged', attempt: 1 } }),
  ];
  const world = {
    ...{ nodes: NONE, oses: NONE, instances: NONE, agentPods: NONE, upstreamProxies: NONE },
    upgrades: { get: () => undefined, list: () => [up, request('other')] },
    progresses: { get: () => undefined, list: () => progresses },
  };
  const queue = { add: (key: string) => woken.push(key) };
  const wakers = createWakers(() => world, {
    requests: queue,
    nodes: queue,
    onRequestGone: uid => woken.push(`gone ${uid}`),
  });
  return { wakers, progresses, woken: () => [...new Set(woken)].toSorted() };
}

const ALL = ['OSUpgrade:other', 'OSUpgrade:up', 'n1', 'n2'];

describe('what a change wakes', () => {
  const withStatus = (change: OSUpgradeStatus) => ({ ...up, status: { ...up.status, ...change } });
  const counts = { total: 2, updated: 1, running: 1, waiting: 0, failed: 0, skipped: 0, drifted: 0 };
  const changes: [string, typeof up | undefined, string[]][] = [
    ['counts', withStatus({ nodes: counts, message: '1 of 2' }), ['OSUpgrade:up']],
    ['conditions', withStatus({ reason: 'Complete', conditions: [] }), ['OSUpgrade:up']],
    ['skipped nodes', withStatus({ skippedNodes: [] }), ['OSUpgrade:up']],
    ['its phase', withStatus({ phase: 'Pending' }), ALL],
    ['another rollout', withStatus({ rollout: 2 }), ALL],
    ['its place among the others', withStatus({ rolloutStartedAt: ago(1) }), ALL],
    ['nodes that it lost', withStatus({ supersededBy: [{ kind: 'OS', name: 'x' }] }), ALL],
    ['its spec', { ...up, metadata: { ...up.metadata, generation: 2 } }, ALL],
    ['that it is being deleted', { ...up, metadata: { ...up.metadata, deletionTimestamp: ago(0) } }, ALL],
    ['that it is gone', undefined, [...ALL, 'gone uid-of-up']],
  ];
  for (const [name, after, want] of changes) {
    it(`of a request: ${name}`, () => {
      const { wakers, woken } = setUp();
      wakers.onRequest('OSUpgrade')(after === undefined ? { before: up } : { before: up, after });
      expect(woken()).to.deep.equal(want.toSorted());
    });
  }

  it('of a rejected request: also why, as its plans are told', () => {
    const { wakers, woken } = setUp();
    const before = withStatus({ phase: 'Rejected', reason: 'ImageMissing', message: 'x' });
    const after = withStatus({ phase: 'Rejected', reason: 'ImageMissing', message: 'y' });
    wakers.onRequest('OSUpgrade')({ before, after });
    expect(woken()).to.deep.equal(ALL);
  });

  it('of a node: itself, the requests, and who may wait for its place', () => {
    const { wakers, woken, progresses } = setUp();
    const [before, staged] = progresses;
    if (before === undefined || staged === undefined) throw new Error('there are two');
    wakers.onProgress({ before, after: { ...before, status: { phase: 'Completed', attempt: 1 } } });
    expect(woken()).to.deep.equal(ALL);
  });

  it('of bytes that came: nothing', () => {
    const { wakers, woken, progresses } = setUp();
    const [, before] = progresses;
    if (before === undefined) throw new Error('there are two');
    const status = { ...before.status, progress: { bytesDone: 2, bytesTotal: 3 } };
    wakers.onProgress({ before, after: { ...before, status } });
    expect(woken()).to.deep.equal([]);
  });
});
