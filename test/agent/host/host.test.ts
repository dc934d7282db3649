import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { AgentConfig } from '../../../src/agent/config.ts';
import { createHost, rebootArgv } from '../../../src/agent/host/host.ts';
import { run } from '../../../src/agent/host/run.ts';
import { reasonOf } from '../../../src/domain/errors.ts';
import { recordingLog } from './recording-log.ts';

describe('host', () => {
  let root = '';
  const log = recordingLog();
  const host = (config: object = {}) => createHost(AgentConfig.parse({ hostRoot: root, ...config }), log.log);
  const never = new AbortController().signal;
  const until = async (condition: () => Promise<boolean>) => {
    while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 5));
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'host-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  it('reads the boot id', async () => {
    await mkdir(join(root, 'proc/sys/kernel/random'), { recursive: true });
    await writeFile(join(root, 'proc/sys/kernel/random/boot_id'), 'abc-1\n');
    expect(await host().bootId()).to.equal('abc-1');
  });

  it('says where it looked for the boot id', async () => {
    expect(await host().bootId().catch(reasonOf)).to.equal('BootIdUnknown');
  });

  it('reboots by the configured command, and again when that did not help in time', async () => {
    const file = join(root, 'rebooted');
    const rebootCommand = ['sh', '-c', `echo reboot >> ${file}`];
    await host({ rebootCommand, rebootTimeoutSeconds: 1 }).reboot();
    expect(await readFile(file, 'utf8')).to.equal('reboot\n');
    await until(async () => (await readFile(file, 'utf8')) === 'reboot\nreboot\n');
    expect(log.lines.join()).to.contain('did not reboot in time');
  });

  it('says so when the command fails', async () => {
    const error: unknown = await host({ rebootCommand: ['sh', '-c', 'echo busy >&2; exit 3'] })
      .reboot()
      .catch((e: unknown) => e);
    expect(reasonOf(error)).to.equal('RebootFailed');
    expect(String(error)).to.contain('exit code 3: busy');
  });

  it('forces a reboot later although the command could not even be started', async () => {
    const command = join(root, 'reboot-command');
    const failed = host({ rebootCommand: [command], rebootTimeoutSeconds: 1 }).reboot();
    expect(await failed.catch(reasonOf)).to.equal('ProgramMissing');
    await writeFile(command, `#!/bin/sh\necho again > ${root}/rebooted\n`, { mode: 0o755 });
    await until(async () => (await readFile(join(root, 'rebooted'), 'utf8').catch(() => '')) === 'again\n');
  });

  it('asks the init of the host', () => {
    expect(rebootArgv({ hostRoot: '/' }, false)).to.deep.equal(['systemctl', 'reboot']);
    expect(rebootArgv({ hostRoot: '/host' }, true)).to.deep.equal([
      'chroot',
      '/host',
      'systemctl',
      'reboot',
      '--force',
    ]);
  });

  for (const { what, healthCommand, want } of [
    {
      what: 'no command',
      healthCommand: undefined,
      want: { healthy: true, message: 'no health command is configured' },
    },
    {
      what: 'exit 0',
      healthCommand: ['echo', 'fine'],
      want: { healthy: true, message: 'exit code 0: fine' },
    },
    {
      what: 'exit 1',
      healthCommand: ['sh', '-c', 'echo one; echo two; exit 1'],
      want: { healthy: false, message: 'exit code 1: two' },
    },
    {
      what: 'a command that does not end',
      healthCommand: ['sh', '-c', 'sleep 60 & sleep 60'],
      want: { healthy: false, message: 'the health command did not end within 1 s' },
    },
    {
      what: 'a command that is not there',
      healthCommand: ['/no/such/check'],
      want: {
        healthy: false,
        message:
          'the health command cannot be run: the program /no/such/check is not there: install it where the agent runs: spawn /no/such/check ENOENT',
      },
    },
    {
      what: 'a command that may not be run',
      healthCommand: ['/etc/passwd'],
      want: {
        healthy: false,
        message: 'the health command cannot be run: spawn /etc/passwd EACCES',
      },
    },
    {
      what: 'a command that leaves a service running, which holds its output',
      healthCommand: ['sh', '-c', 'setsid sleep 20 & echo fine'],
      want: { healthy: true, message: 'exit code 0: fine' },
    },
    {
      what: 'a command that does not end, with a service that is out of reach',
      healthCommand: ['sh', '-c', 'setsid sleep 20 & sleep 60'],
      want: { healthy: false, message: 'the health command did not end within 1 s' },
    },
  ]) {
    it(`judges health: ${what}`, async () => {
      const config = { healthTimeoutSeconds: 1, ...(healthCommand && { healthCommand }) };
      expect(await host(config).checkHealth(never)).to.deep.equal(want);
    });
  }

  it('stops a health command that nobody waits for', async () => {
    const stop = new AbortController();
    const ended = host({ healthCommand: ['sleep', '60'] }).checkHealth(stop.signal);
    stop.abort();
    expect(await ended.catch((error: Error) => error.name)).to.equal('AbortError');
  });

  it('names a program that is missing', async () => {
    expect(await run(['no-such-program'], { timeoutMs: 1000 }).catch(reasonOf)).to.equal('ProgramMissing');
  });

  it('finds system programs outside the search path', async () => {
    const path = process.env.PATH;
    process.env.PATH = '/nowhere';
    try {
      expect((await run(['debugfs', '-V'], { timeoutMs: 5000 })).code).to.equal(0);
    } finally {
      process.env.PATH = path;
    }
  });
});
