import { expect } from 'chai';
import { TransientError } from '../../../src/domain/errors.ts';
import { createNodeReconciler } from '../../../src/reconcilers/node/reconciler.ts';
import { type Caches, frozenContext, type OnWrite } from '../frozen-caches.ts';
import { node, progress, request } from '../objects.ts';

const closedSessions = {
  view: () => ({ asked: new Map() }),
  open: () => undefined,
  close: () => undefined,
  remember: () => undefined,
};

const staged = { rollout: 4, status: { phase: 'Staged', attempt: 1 } } as const;

/** Two nodes whose images are staged, of which one may be out of service. */
const twoStaged = (): Caches => ({
  nodes: [node('n1'), node('n2')],
  upgrades: [request('up', {}, { rollout: 4 })],
  oses: [],
  progresses: [progress({ on: 'n1', ...staged }), progress({ on: 'n2', ...staged })],
});

/** The gates that were written, in their order: `up-n1-4 Draining`. */
function gatesOf(caches: Caches, onWrite: OnWrite = () => undefined) {
  const gates: string[] = [];
  const context = frozenContext(caches, async write => {
    const state = /"state":"(\w+)"/.exec(JSON.stringify(write.body))?.[1];
    if (state !== undefined) gates.push(`${write.ref.name} ${state}`);
    await onWrite(write);
  });
  return { gates, reconcile: createNodeReconciler(context, closedSessions) };
}

describe('reconciler of nodes, while its caches lag behind', () => {
  it('a place of the budget is taken when it is decided, not when the writes before it are done', async () => {
    const caches = twoStaged();
    const outdated = progress({ on: 'n1', rollout: 1, status: { phase: 'Failed', attempt: 1 } });
    const deletion = Promise.withResolvers<void>();
    const { gates, reconcile } = gatesOf(
      { ...caches, progresses: [outdated, ...caches.progresses] },
      write => (write.verb === 'delete' ? deletion.promise : undefined),
    );
    const first = reconcile('n1');
    await reconcile('n2');
    deletion.resolve();
    await first;
    expect(gates).to.deep.equal(['up-n2-4 Closed', 'up-n1-4 Draining']);
  });

  it('a drain that was begun holds its place also if the answer to the write was lost', async () => {
    const { gates, reconcile } = gatesOf(twoStaged(), ({ ref }) => {
      if (ref.name === 'up-n1-4') throw new TransientError('Timeout', 'no answer in time');
    });
    const error = await reconcile('n1').catch((reason: unknown) => reason);
    expect(error).to.include({ reason: 'Timeout' });
    await reconcile('n2');
    expect(gates).to.deep.equal(['up-n1-4 Draining', 'up-n2-4 Closed']);
  });

  it('gives the place back when the drain is not to begin any more', async () => {
    const caches = twoStaged();
    const { gates, reconcile } = gatesOf(caches, ({ ref }) => {
      if (ref.name === 'up-n1-4') throw new TransientError('Timeout', 'no answer in time');
    });
    await reconcile('n1').catch(() => undefined);
    caches.progresses = caches.progresses.filter(({ spec }) => spec.nodeName !== 'n1');
    await reconcile('n1');
    await reconcile('n2');
    expect(gates).to.deep.equal(['up-n1-4 Draining', 'up-n2-4 Draining']);
  });
});
