import { expect } from 'chai';
import { attemptOf, chooseTask, hasDrifted, needlessRetry } from '../../../src/agent/decide/attempt.ts';
import type { OsRelease } from '../../../src/agent/ports.ts';
import type { NodePlan, OSUpgradeProgressStatus } from '../../../src/api/monok8s/index.ts';
import { byAge } from '../../../src/domain/progress.ts';
import { plan, progress } from '../build.ts';

const runs = (osRelease: OsRelease, versionField: NodePlan['versionField'] = 'VERSION_ID') => ({
  osRelease,
  settings: { versionField },
});
const OLD = runs({ versionId: '1.34.1', prettyName: '' });
const NEW = runs({ versionId: '1.35.1', prettyName: '' });
const done = (
  phase: OSUpgradeProgressStatus['phase'],
  observedRetryNonce?: string,
): OSUpgradeProgressStatus => ({
  ...(phase && { phase }),
  attempt: 2,
  targetVersion: 'v1.35.1',
  ...(observedRetryNonce !== undefined && { observedRetryNonce }),
});

const CASES: {
  name: string;
  status?: OSUpgradeProgressStatus;
  retryNonce?: string;
  running?: typeof OLD;
  want: [attempt: number, isNew: boolean] | undefined;
}[] = [
  { name: 'a new object is begun', want: [1, true] },
  { name: 'one that waited for another is begun', status: { phase: 'Pending', attempt: 0 }, want: [1, true] },
  { name: 'one that runs goes on', status: done('Draining'), want: [2, false] },
  {
    name: 'a retry in a running phase waits for its end',
    status: done('Draining'),
    retryNonce: 'x',
    want: [2, false],
  },
  { name: 'a failed one stays', status: done('Failed'), want: undefined },
  { name: 'a failed one is tried again', status: done('Failed'), retryNonce: 'x', want: [3, true] },
  { name: 'a nonce counts once', status: done('Failed', 'x'), retryNonce: 'x', want: undefined },
  { name: 'a nonce that is taken away asks for nothing', status: done('Failed', 'x'), want: undefined },
  { name: 'a second nonce counts again', status: done('RolledBack', 'x'), retryNonce: 'y', want: [3, true] },
  {
    name: 'a completed one is done',
    status: done('Completed'),
    retryNonce: 'x',
    running: NEW,
    want: undefined,
  },
  {
    name: 'a completed one whose node drifted is tried again',
    status: done('Completed'),
    retryNonce: 'x',
    want: [3, true],
  },
  { name: 'a drift alone starts nothing', status: done('Completed'), want: undefined },
  { name: 'what the controller failed stays', status: { phase: 'Failed' }, want: undefined },
];

describe('which attempt an object needs', () => {
  for (const { name, status, retryNonce, running = OLD, want } of CASES) {
    it(name, () => {
      const object = progress({ ...(status && { status }), ...(retryNonce && { retryNonce }) });
      const found = attemptOf(object, running);
      expect(found && [found.attempt, found.isNew]).to.deep.equal(want);
    });
  }

  it('a version that is PRETTY_NAME is compared with that', () => {
    const object = progress({
      plan: plan({ versionField: 'PRETTY_NAME', targetVersion: 'KubeOS v1' }),
      retryNonce: 'x',
      status: { phase: 'Completed', attempt: 1, targetVersion: 'KubeOS v1' },
    });
    expect(attemptOf(object, runs({ versionId: '9', prettyName: 'KubeOS v1' }))).to.equal(undefined);
    expect(attemptOf(object, runs({ versionId: '9', prettyName: 'KubeOS v2' }))?.attempt).to.equal(2);
  });

  it('a name is compared to the letter, a version number is not', () => {
    const brought = (versionField: NodePlan['versionField'], targetVersion: string) =>
      progress({
        plan: plan({ versionField, targetVersion }),
        status: { phase: 'Completed', attempt: 1, targetVersion },
      });
    const system = { versionId: '1.35.1', prettyName: '1.35.1' };
    expect(hasDrifted(brought('PRETTY_NAME', 'v1.35.1'), runs(system))).to.equal(true);
    expect(hasDrifted(brought('VERSION_ID', 'v1.35.1'), runs(system))).to.equal(false);
  });

  it('where the settings say that the version stands elsewhere, it is looked for there', () => {
    const object = progress({ status: { phase: 'Completed', attempt: 1, targetVersion: 'v1.35.1' } });
    const system = { versionId: 'rolling', prettyName: '1.35.1' };
    expect(hasDrifted(object, runs(system, 'PRETTY_NAME'))).to.equal(false);
    expect(hasDrifted(object, runs(system, 'VERSION_ID'))).to.equal(true);
  });

  it('a completed OS object made by hand counts by its name', () => {
    const { spec, ...object } = progress({
      status: { phase: 'Completed', attempt: 1, targetVersion: 'KubeOS 2.0.0' },
    });
    const byHand = {
      ...object,
      spec: { ...spec, plan: undefined, sourceRef: { kind: 'OS', name: 'os' } },
    } as const;
    expect(hasDrifted(byHand, runs({ versionId: '2.0.0', prettyName: 'KubeOS 2.0.0' }))).to.equal(false);
  });
});

describe('which object is worked on', () => {
  const first = progress({ name: 'first', createdAt: '2026-11-21T10:00:00Z' });
  const second = progress({ name: 'second', createdAt: '2026-11-21T11:00:00Z' });
  const choose = (objects: Parameters<typeof chooseTask>[0]) =>
    chooseTask(objects.toSorted(byAge), OLD)?.object.metadata.name;

  it('the oldest', () => expect(choose([second, first])).to.equal('first'));
  it('what has begun is finished before an older one is tried again', () => {
    const failed = { ...first, spec: { ...first.spec, retryNonce: 'x' }, status: done('Failed') };
    expect(choose([failed, { ...second, status: done('Staged') }])).to.equal('second');
  });
  it('none when all are done', () =>
    expect(choose([{ ...first, status: done('Failed') }])).to.equal(undefined));
  it('a retry with nothing to do is found', () => {
    const object = progress({ retryNonce: 'x', status: done('Completed') });
    expect(needlessRetry([object], NEW)).to.equal(object);
    expect(needlessRetry([object], OLD)).to.equal(undefined);
  });
});
