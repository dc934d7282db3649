import { expect } from 'chai';
import type { OSUpgradeProgress } from '../../../src/api/monok8s/index.ts';
import { TransientError } from '../../../src/domain/errors.ts';
import type { ControllerContext } from '../../../src/reconcilers/context.ts';
import { createRequestReconciler } from '../../../src/reconcilers/request/reconciler.ts';
import { createTargetSource } from '../../../src/reconcilers/request/target-source.ts';
import { type Caches, frozenContext } from '../frozen-caches.ts';
import { node, os, progress, request } from '../objects.ts';

const completed = progress({ on: 'n1', status: { phase: 'Completed', attempt: 1, bootId: 'boot-0' } });
const SERIAL_NODE = { osImage: 'KubeOS 1.0.0' };
const byHand = progress({ on: 'n1', byHand: true });

/** The writes on one object, while the caches hold a node and one progress object. */
function writesOn(name: string, held: OSUpgradeProgress, version: string) {
  const caches: Caches = {
    nodes: [node('n1', { version })],
    upgrades: [request('up')],
    oses: [],
    progresses: [held],
  };
  const writes: object[] = [];
  const context = frozenContext(caches, ({ ref, body }) => {
    if (ref.name === name) writes.push(body);
  });
  const targets = createTargetSource(context.world, { answer: () => ({ state: 'reading' }) });
  const reconcile = createRequestReconciler(context, targets);
  return {
    writes,
    context,
    /** Once more, when the cache has seen the status that was written, and nothing else. */
    twice: async () => {
      await reconcile('OSUpgrade:up');
      const [seen = request('up')] = caches.upgrades;
      caches.upgrades = [{ ...seen, metadata: { ...seen.metadata, resourceVersion: '2' } }];
      return reconcile('OSUpgrade:up');
    },
  };
}

describe('reconciler of requests, while its caches lag behind', () => {
  it('marks a node once, and lets the reconciler of nodes know', async () => {
    const { twice, writes, context } = writesOn('n1', completed, 'v1.35.1');
    expect(await twice()).to.equal(1000);
    expect(writes).to.have.length(1);
    expect(context.ownWrites.isBehind('uid-of-n1', '1')).to.equal(true);
  });

  it('a batch is entered as a whole: while one of its nodes is behind, none is', async () => {
    const caches: Caches = {
      nodes: [node('n1', SERIAL_NODE), node('n2', SERIAL_NODE)],
      upgrades: [],
      oses: [os('up', { executionmode: 'serial', maxunavailable: 2, timeinterval: 0 })],
      progresses: [],
    };
    const writes: string[] = [];
    const context = frozenContext(caches, ({ verb, ref }) => writes.push(`${verb} ${ref.name}`));
    context.ownWrites.note('uid-of-n2', '1', '2');
    const targets = createTargetSource(context.world, { answer: () => ({ state: 'reading' }) });
    const reconcile = createRequestReconciler(context, targets);
    expect(await reconcile('OS:default/up')).to.equal(1000);
    expect(writes).to.deep.equal(['patch status of up']);
    caches.nodes = caches.nodes.map(seen => ({ ...seen, resourceVersion: '2' }));
    caches.oses = caches.oses.map(seen => ({
      ...seen,
      metadata: { ...seen.metadata, resourceVersion: '2' },
    }));
    await reconcile('OS:default/up');
    expect(writes.slice(2)).to.deep.equal(['patch n1', 'patch n2', 'create created']);
  });

  it('refuses an object made by hand once', async () => {
    const { twice, writes } = writesOn(byHand.metadata.name, byHand, 'v1.36.0');
    expect(await twice()).to.equal(1000);
    expect(writes).to.have.length(1);
  });

  it('tells of a change also if the writes after it fail: the next look finds it told already', async () => {
    const caches: Caches = { nodes: [node('n1')], upgrades: [request('up')], oses: [], progresses: [] };
    const events: string[] = [];
    const context: ControllerContext = {
      ...frozenContext(caches, ({ verb }) => {
        if (verb === 'create') throw new TransientError('Timeout', 'no answer in time');
      }),
      events: { record: (_about, _type, reason) => events.push(reason), flush: async () => undefined },
    };
    const targets = createTargetSource(context.world, { answer: () => ({ state: 'reading' }) });
    const reconcile = createRequestReconciler(context, targets);
    const error = await reconcile('OSUpgrade:up').catch((reason: unknown) => reason);
    expect(error).to.include({ reason: 'Timeout' });
    expect(events).to.deep.equal(['NodesRunning']);
  });
});
