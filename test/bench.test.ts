import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../tools/lib/paths.mjs';

const runBench = (...args: string[]) =>
  spawnSync(process.execPath, [join(ROOT, 'bench/bench.ts'), ...args], { encoding: 'utf8' });

describe('the bench', function () {
  this.timeout(30_000);

  it('--help names all parts', () => {
    const { status, stdout } = runBench('--help');
    expect(status).to.equal(0);
    expect(stdout).to.match(/^ {4}install .*\n {4}fleet .*\n {4}large-fleet /m);
  });

  it('says what there is where another part is asked for', () => {
    const { status, stderr } = runBench('install', 'kubeos');
    expect(status).to.equal(2);
    expect(stderr)
      .to.match(/^There is no such part: kubeos\n/)
      .and.to.contain('large-fleet');
  });
});
