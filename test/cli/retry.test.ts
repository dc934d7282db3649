import { expect } from 'chai';
import type { OSUpgradeProgress, Phase } from '../../src/api/monok8s/index.ts';
import { explainMissing, explainRetry, nextNonce } from '../../src/cli/retry.ts';

const progress = (name: string, nodeName: string, phase?: Phase): OSUpgradeProgress => ({
  apiVersion: 'monok8s.io/v1alpha1',
  kind: 'OSUpgradeProgress',
  metadata: { name, uid: name, resourceVersion: '1' },
  spec: { sourceRef: { name: 'my-upgrade' }, nodeName },
  ...(phase && { status: { phase, attempt: 2, targetVersion: 'v1.35.1' } }),
});

describe('explainRetry', () => {
  const cases: [Phase | undefined, string][] = [
    [undefined, 'p has not begun: it goes on with n1 to its target as before'],
    ['Pending', 'p has not begun: it goes on with n1 to v1.35.1 as before'],
    ['Downloading', 'p is Downloading: the wish is kept, and acted on if this attempt fails'],
    ['Confirming', 'p is Confirming: the wish is kept, and acted on if this attempt fails'],
    ['Failed', 'p tries again to bring n1 to v1.35.1: attempt 3. Follow it with ctl status --watch'],
    ['RolledBack', 'p tries again to bring n1 to v1.35.1: attempt 3. Follow it with ctl status --watch'],
    ['Completed', 'p is completed: it acts again only if n1 runs another version by now'],
  ];
  for (const [phase, want] of cases)
    it(phase ?? 'no phase yet', () => expect(explainRetry(progress('p', 'n1', phase))).to.equal(want));
});

describe('explainMissing', () => {
  const all = [progress('b', 'n2'), progress('a', 'n1')];
  it('lists the names', () =>
    expect(explainMissing('x', all)).to.equal('no OSUpgradeProgress is named x: there are a (n1), b (n2)'));
  it("names the objects of a node, if a node's name was given", () =>
    expect(explainMissing('n2', all)).to.equal('n2 is a node; its OSUpgradeProgress is b'));
  it('names the objects of a request, if its name was given', () => {
    const sourceRef = { kind: 'OS', namespace: 'edge', name: 'os-sample' } as const;
    const ofOS = all.map(item => ({ ...item, spec: { ...item.spec, sourceRef } }));
    for (const name of ['os-sample', 'edge/os-sample'])
      expect(explainMissing(name, ofOS)).to.equal(
        `${name} is the request OS edge/os-sample; name the part of one node: a (n1), b (n2)`,
      );
    expect(explainMissing('other/os-sample', ofOS)).to.contain(
      'no OSUpgradeProgress is named other/os-sample',
    );
  });
  it('says that there is none', () =>
    expect(explainMissing('x', [])).to.equal('no OSUpgradeProgress is named x: there is none'));
  it('does not list thousands', () => {
    const many = Array.from({ length: 3000 }, (_, index) => progress(`p${index}`, `n${index}`));
    expect(explainMissing('x', many)).to.match(/ and 2980 more$/);
  });
});

describe('nextNonce', () => {
  const nowMs = Date.parse('2026-11-21T12:00:00Z');
  it('says when', () => expect(nextNonce(undefined, nowMs)).to.equal('retry-2026-11-21T12:00:00Z'));
  it('always differs, even twice in a second', () => {
    const first = nextNonce(undefined, nowMs);
    const second = nextNonce(first, nowMs);
    expect(second).not.to.equal(first);
    expect(nextNonce(second, nowMs)).not.to.equal(second);
  });
});
