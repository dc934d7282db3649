import { expect } from 'chai';
import { judgeVersionChange } from '../../src/domain/version-change.ts';

describe('judgeVersionChange', () => {
  const cases: [current: string, target: string, reason: string | undefined][] = [
    ['v1.34.1', 'v1.35.1', undefined],
    ['v1.34.1', 'v1.34.6', undefined],
    ['1.35.1', 'v1.35.1', undefined],
    ['v1.35.0-rc.1', 'v1.35.0', undefined],
    ['v1.35.1+a', 'v1.35.1+b', undefined],
    ['v1.35.1', 'v1.33.2', 'Downgrade'],
    ['v1.35.1', 'v1.35.0', 'Downgrade'],
    ['v2.0.0', 'v1.99.0', 'Downgrade'],
    ['v1.34.9', 'v1.36.0', 'VersionSkew'],
    ['v1.34.9', 'v2.0.0', 'VersionSkew'],
    ['', 'v1.35.1', 'VersionUnknown'],
    ['rolling', 'v1.35.1', 'VersionUnknown'],
    ['v1.34.1', 'newest', 'VersionUnknown'],
  ];
  for (const [current, target, reason] of cases) {
    it(`${current || '(none)'} to ${target}: ${reason ?? 'allowed'}`, () => {
      expect(judgeVersionChange(current, target)?.reason).to.equal(reason);
    });
  }

  it('names the step to take first', () => {
    expect(judgeVersionChange('v1.33.0', 'v1.35.1')?.message).to.match(/upgrade to v1\.34 first$/);
  });
});
