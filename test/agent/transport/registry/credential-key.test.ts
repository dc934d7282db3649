import { expect } from 'chai';
import { keyFit } from '../../../../src/agent/transport/registry/credential-key.ts';

describe('the key of a credential', () => {
  for (const [key, host, repository, fits] of [
    ['h.x', 'h.x', 'a/b', true],
    ['H.X', 'h.x', 'a/b', true],
    ['https://h.x', 'h.x', 'a', true],
    ['http://h.x/', 'h.x', 'a', true],
    ['https://h.x/v1/', 'h.x', 'a', true],
    ['https://h.x/v2/', 'h.x', 'a', true],
    ['h.x/v2/team', 'h.x', 'team/os', true],
    ['h.x/v20', 'h.x', 'a', false],
    ['h.x:443', 'h.x', 'a', true],
    ['h.x', 'h.x:443', 'a', true],
    ['h.x', 'h.x:5000', 'a', false],
    ['h.x:5000', 'h.x', 'a', false],
    ['h.x:5000', 'h.x:5000', 'a', true],
    ['h.x/team', 'h.x', 'team/os', true],
    ['h.x/team/', 'h.x', 'team/os', true],
    ['h.x/team/os', 'h.x', 'team/os', true],
    ['h.x/team', 'h.x', 'teammates/os', false],
    ['h.x/team/os', 'h.x', 'team', false],
    ['*.x', 'h.x', 'a', true],
    ['*.x', 'g.h.x', 'a', false],
    ['*', 'h.x', 'a', false],
    ['*.*', 'h.x', 'a', true],
    ['h*y.x', 'happy.x', 'a', true],
    ['h*a*y.x', 'hay.x', 'a', true],
    ['ha*ay.x', 'hay.x', 'a', false],
    ['*.x:5000', 'h.x:5000', 'a', true],
    ['*.x', 'h.x:5000', 'a', false],
    ['*.x/team', 'h.x', 'team/os', true],
    ['evil-h.x', 'h.x', 'a', false],
    ['h.x.evil', 'h.x', 'a', false],
    ['https://index.docker.io/v1/', 'docker.io', 'library/os', true],
    ['https://index.docker.io/v1/', 'registry-1.docker.io', 'library/os', true],
    ['docker.io', 'registry-1.docker.io', 'library/os', true],
    ['docker.io/team', 'docker.io', 'team/os', true],
    ['docker.io/team', 'docker.io', 'library/os', false],
    ['hub.docker.io', 'docker.io', 'library/os', false],
    ['[::1]:5000', '[::1]:5000', 'a', true],
    ['[::1]', '[::1]:5000', 'a', false],
    ['127.0.0.1:5000', '127.0.0.1:5000', 'a', true],
    ['', 'h.x', 'a', false],
    ['https://', 'h.x', 'a', false],
    ['h.x:port', 'h.x', 'a', false],
  ] as const)
    it(`${JSON.stringify(key)} ${fits ? 'fits' : 'does not fit'} ${host}/${repository}`, () =>
      expect(keyFit(key, host, repository) > 0).to.equal(fits));

  it('fits better the more it says', () => {
    const keys = ['*.x', 'h.x', '*.x/team', 'h.x/team', 'h.x/team/os'];
    const fits = keys.map(key => keyFit(key, 'h.x', 'team/os'));
    expect(fits).to.deep.equal(fits.toSorted((a, b) => a - b));
    expect(new Set(fits).size).to.equal(keys.length);
  });

  it('takes no longer for a wicked one', () => {
    expect(keyFit(`${'*a'.repeat(5000)}b`, 'a'.repeat(20_000), 'x')).to.equal(0);
  }).timeout(2000);
});
