import { expect } from 'chai';
import { blockOf, canBlock, fateOf } from '../../src/domain/drain.ts';
import type { PodFacts } from '../../src/domain/pod.ts';
import { pod } from '../reconcilers/objects.ts';

const { ownerKind: _, ownerUid: __, ...BARE } = pod('a');
const FORCE = { force: true, deleteEmptyDirData: true };
const KEEP = { force: false, deleteEmptyDirData: false };
const PLACE = {
  systemNamespace: 'mono-system',
  forcesEviction: { unmanaged: 'spec.evictpodforce', localData: 'spec.evictpodforce' },
};

/** What becomes of each kind of pod, with force and without. */
const TABLE: readonly (readonly [what: string, pod: PodFacts, force: string, keep: string])[] = [
  ['of a ReplicaSet', pod('a'), 'evict', 'evict'],
  ['of a StatefulSet with an emptyDir', pod('a', { hasEmptyDir: true }), 'evict', 'block PodLocalData'],
  ['bare', BARE, 'evict', 'block PodUnmanaged'],
  ['bare, with an emptyDir', { ...BARE, hasEmptyDir: true }, 'evict', 'block PodUnmanaged'],
  ['bare and pending', { ...BARE, phase: 'Pending' }, 'evict', 'block PodUnmanaged'],
  ['bare and lost from sight', { ...BARE, phase: 'Unknown' }, 'evict', 'block PodUnmanaged'],
  [
    'bare and succeeded, with an emptyDir',
    { ...BARE, phase: 'Succeeded', hasEmptyDir: true },
    'evict',
    'evict',
  ],
  ['bare and failed', { ...BARE, phase: 'Failed' }, 'evict', 'evict'],
  ['bare and terminating', { ...BARE, deletionTimestamp: 'x' }, 'await', 'await'],
  ['of a DaemonSet', pod('a', { ownerKind: 'DaemonSet', hasEmptyDir: true }), 'ignore', 'ignore'],
  ['of a DaemonSet, failed', pod('a', { ownerKind: 'DaemonSet', phase: 'Failed' }), 'ignore', 'ignore'],
  [
    'of a DaemonSet, terminating',
    pod('a', { ownerKind: 'DaemonSet', deletionTimestamp: 'x' }),
    'ignore',
    'ignore',
  ],
  ['static', { ...BARE, isMirror: true, hasEmptyDir: true }, 'ignore', 'ignore'],
  ['static, by its owner', pod('a', { ownerKind: 'Node' }), 'ignore', 'ignore'],
  [
    'our own controller, with an emptyDir',
    pod('a', {
      namespace: 'mono-system',
      labels: { 'app.kubernetes.io/name': 'os-controller' },
      hasEmptyDir: true,
    }),
    'ignore',
    'ignore',
  ],
];

describe('drain', () => {
  const inShort = (facts: PodFacts, policy: typeof FORCE): string => {
    const fate = fateOf(facts, policy, PLACE);
    return fate.action === 'block' ? `block ${fate.reason}` : fate.action;
  };

  for (const [what, facts, force, keep] of TABLE)
    it(`a pod ${what}: with force ${force}, without ${keep}`, () => {
      expect(inShort(facts, FORCE)).to.equal(force);
      expect(inShort(facts, KEEP)).to.equal(keep);
    });

  it('says which pods are in the way: bare ones first, five by name', () => {
    const bare = ['7', '3', '5', '1', '4', '2', '6'].map(name => ({ ...BARE, name }));
    expect(blockOf([pod('data', { hasEmptyDir: true }), ...bare], KEEP, PLACE)).to.deep.equal({
      reason: 'PodUnmanaged',
      message:
        'pods default/1, default/2, default/3, default/4, default/5 and 2 more have no controller that would make them anew: delete them, or set spec.evictpodforce to true',
    });
  });

  it('names no field of a request that is gone', () => {
    const block = blockOf([pod('data', { hasEmptyDir: true })], KEEP, { systemNamespace: 'mono-system' });
    expect(block?.message).to.equal('pod default/data has data in an emptyDir: move it to another node');
  });

  it('nothing is in the way of a policy that forbids nothing, or that drains nothing', () => {
    const policy = { timeoutSeconds: 1, skip: false };
    expect(blockOf([BARE], FORCE, PLACE)).to.equal(undefined);
    expect(canBlock({ ...policy, ...FORCE })).to.equal(false);
    expect(canBlock({ ...policy, ...KEEP, skip: true })).to.equal(false);
    expect(canBlock({ ...policy, ...FORCE, force: false })).to.equal(true);
    expect(canBlock({ ...policy, ...FORCE, deleteEmptyDirData: false })).to.equal(true);
  });
});
