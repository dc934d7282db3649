import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { machinesObstacle } from '../demo/machines.ts';
import { quote } from '../demo/stage.ts';
import { ROOT } from '../tools/lib/paths.mjs';
import { eventually } from './env/wait.ts';

const startDemo = (...args: string[]) => spawn(process.execPath, [join(ROOT, 'demo/demo.ts'), ...args]);

async function runDemo(...args: string[]) {
  const child = startDemo(...args);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, stdout, stderr };
}

describe('the demo', function () {
  this.timeout(90_000);

  it('--help names all', async () => {
    const { code, stdout } = await runDemo('--help');
    expect(code).to.equal(0);
    expect(stdout).to.contain('npm run demo   ').and.to.contain('npm run demo -- openeuler');
    expect(stdout).to.contain('npm run demo -- machines');
  });

  it('machines: says who may play it, and where', () => {
    expect(machinesObstacle({ arch: 'x64', getuid: () => 0 })).to.equal(undefined);
    expect(machinesObstacle({ arch: 'x64', getuid: () => 1000 })).to.contain('sudo npm run demo -- machines');
    expect(machinesObstacle({ arch: 'arm64', getuid: () => 0 })).to.contain('x86-64');
  });

  it('says what there is where another one is asked for', async () => {
    const { code, stderr } = await runDemo('kubeos');
    expect(code).to.equal(2);
    expect(stderr)
      .to.match(/^There is no such demo: kubeos\n/)
      .and.to.contain('npm run demo -- openeuler');
  });

  for (const name of ['monok8s', 'openeuler'])
    it(`${name}: Ctrl-C leaves nothing behind`, async () => {
      const child = startDemo(name);
      const closed = once(child, 'close');
      const stdout = text(child.stdout);
      const mine = (): string[] =>
        readdirSync(tmpdir()).filter(entry => entry.startsWith(`twinslot-${child.pid}-`));
      await eventually(() => mine().some(entry => entry.includes('-demo-')), {
        timeoutMs: 50_000,
        what: 'the control plane has its folder',
      });
      child.kill('SIGINT');
      expect(await closed).to.deep.equal([130, null]);
      expect(await stdout).to.match(/Stopping everything that was started …\n$/);
      expect(mine()).to.deep.equal([]);
    });

  describe('shows words as they are typed', () => {
    const cases: [string, string][] = [
      ['nodes', 'nodes'],
      ['monok8s.io/managed', 'monok8s.io/managed'],
      [
        'custom-columns=NAME:.metadata.name,OS:.status.nodeInfo.osImage',
        "custom-columns='NAME:.metadata.name,OS:.status.nodeInfo.osImage'",
      ],
      ['{"spec":{"retryNonce":"retry-1"}}', `'{"spec":{"retryNonce":"retry-1"}}'`],
      ['jsonpath={.status.message}', "'jsonpath={.status.message}'"],
    ];
    for (const [word, want] of cases) it(want, () => expect(quote(word)).to.equal(want));
  });
});
