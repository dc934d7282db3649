import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createTrialGuard, type GuardResult } from '../../../src/agent/guard/trial-guard.ts';
import type { BootLoader } from '../../../src/agent/ports.ts';
import { reasonOf } from '../../../src/domain/errors.ts';
import { makeFileSystem } from '../../env/images.ts';
import { needsRoot } from '../../env/needs-root.ts';
import { runProgram } from '../../env/node/run-program.ts';
import { eventually } from '../../env/wait.ts';
import { recordingLog } from '../host/recording-log.ts';
import { StagingHost } from '../install/staging.ts';

const UNIT = '/usr/lib/systemd/system/twinslot-trial-guard.service';
const SCRIPT = '/usr/lib/systemd/twinslot-trial-guard.sh';
const LINK = '/usr/lib/systemd/system/sysinit.target.wants/twinslot-trial-guard.service';

const KILLED_PROGRAM = fileURLToPath(new URL('killed-program.ts', import.meta.url));

describe('a trial guard in a slot', function () {
  this.timeout(120_000);
  let dir = '';
  let host: StagingHost;
  let cleared = 0;

  before(async function () {
    needsRoot(this, 'mounting a slot');
    dir = await mkdtemp(join(tmpdir(), 'trial-guard-'));
  });
  after(async () => {
    if (dir !== '') await rm(dir, { recursive: true });
  });
  beforeEach(() => {
    cleared = 0;
  });
  afterEach(() => host?.remove());

  /** Both slots hold a system of these files; a folder ends in a slash, a link has its target behind an arrow. */
  const install = async (entries: readonly string[], sizeMiB = 8, options: readonly string[] = []) => {
    const tree = await mkdtemp(join(dir, 'tree-'));
    for (const entry of entries) {
      const [path = '', target] = entry.split(' -> ');
      await mkdir(join(tree, path.endsWith('/') ? path : dirname(path)), { recursive: true });
      if (target !== undefined) await symlink(target, join(tree, path));
      else if (!path.endsWith('/')) await writeFile(join(tree, path), 'ID=x\n');
    }
    await chmod(tree, 0o755);
    const image = `${tree}.img`;
    await makeFileSystem(image, { sizeMiB, tree });
    if (options.length > 0) await runProgram('tune2fs', ...options, image);
    host = await StagingHost.make(image, sizeMiB * 1024 * 1024);
  };
  const SYSTEM = [
    '/usr/lib/systemd/systemd',
    '/usr/bin/sh',
    '/usr/bin/sleep',
    '/bin -> usr/bin',
    '/lib -> usr/lib',
    '/etc/os-release',
  ];

  const protect = async (trialSeconds = 900): Promise<GuardResult> => {
    const describeDefault: BootLoader['describeDefault'] = async () => ({
      type: 'u-boot',
      variable: 'v',
      values: ['0'],
    });
    const bootLoader = { describeDefault } as BootLoader;
    const guard = createTrialGuard({
      ...host.config,
      bootLoader,
      slots: host.slots,
      log: recordingLog().log,
    });
    const { B } = await host.slots.inspect();
    return guard.protect(B, {
      trialSeconds,
      beforeWrite: async () => {
        cleared += 1;
      },
    });
  };
  const inSlot = (...command: string[]) => runProgram('debugfs', '-R', command.join(' '), host.slotB);

  it('is put there, wholly and pulled in, and the file system is sound', async () => {
    await install(SYSTEM);
    expect(await protect()).to.include({ isGuarded: true });
    const script = await inSlot('cat', SCRIPT);
    expect(script)
      .to.contain('LIMIT=')
      .and.to.contain("SLOT='B'")
      .and.not.to.match(/@[A-Z]+@/);
    expect(await inSlot('cat', UNIT)).to.contain(`ExecStart=@/bin/sh @/sh ${SCRIPT}`);
    expect(await inSlot('stat', LINK)).to.contain('"../twinslot-trial-guard.service"');
    await runProgram('e2fsck', '-fn', host.slotB);
    expect(cleared).to.equal(1);
  });

  it('is left alone where it fits, to the byte', async () => {
    await install(SYSTEM);
    await protect();
    const before = await readFile(host.slotB);
    expect(await protect()).to.include({ isGuarded: true });
    expect(before.equals(await readFile(host.slotB))).to.equal(true);
    expect(cleared).to.equal(1);
  });

  it('is replaced where it is for another time', async () => {
    await install([...SYSTEM, UNIT, SCRIPT, LINK]);
    await protect(900);
    await protect(60);
    expect(await inSlot('cat', SCRIPT)).to.contain("LIMIT='180'");
    expect(await inSlot('stat', LINK)).to.contain('"../twinslot-trial-guard.service"');
    expect(cleared).to.equal(2);
  });

  it('leaves no mount behind, here or elsewhere', async () => {
    await install(SYSTEM);
    await protect();
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.to.contain(host.root);
    await host.slots.assertWritable('B');
  });

  for (const { what, missing } of [
    { what: 'systemd', missing: '/usr/lib/systemd/systemd' },
    { what: 'a shell', missing: '/usr/bin/sh' },
  ]) {
    it(`is not put into a system without ${what}, and the slot stays as it is`, async () => {
      await install(SYSTEM.filter(path => path !== missing));
      const before = await readFile(host.slotB);
      expect(await protect()).to.include({ isGuarded: false, reason: 'GuardUnsupported' });
      expect(before.equals(await readFile(host.slotB))).to.equal(true);
      expect(cleared).to.equal(0);
    });
  }

  it('is not put into a system that masks it', async () => {
    await install([...SYSTEM, '/etc/systemd/system/twinslot-trial-guard.service -> /dev/null']);
    expect(await protect()).to.include({ isGuarded: false, reason: 'GuardUnsupported' });
  });

  it('says so where the file system has no room, and leaves nothing half written', async () => {
    await install(SYSTEM, 1);
    const free = /^Free blocks:\s+(\d+)/m.exec(await runProgram('dumpe2fs', '-h', host.slotB))?.[1];
    await writeFile(join(dir, 'filler'), Buffer.alloc((Number(free) - 2) * 1024, 1));
    await runProgram('debugfs', '-w', '-R', `write ${join(dir, 'filler')} filler`, host.slotB);
    expect(await protect()).to.include({ isGuarded: false, reason: 'GuardNotInstalled' });
    expect(await inSlot('ls', '-p', '/usr/lib/systemd')).not.to.contain('twinslot');
    await runProgram('e2fsck', '-fn', host.slotB);
  });

  it('says so where the file system may not be written', async () => {
    await install(SYSTEM, 8, ['-O', 'read-only']);
    expect(await protect()).to.include({ isGuarded: false, reason: 'GuardNotInstalled' });
  });

  it('is put into a file system that a power cut left mounted, once it is mended', async () => {
    await install(SYSTEM, 8, ['-O', '^has_journal']);
    await protect();
    // As it is found after a power cut, with a block too many in use.
    await runProgram('debugfs', '-w', '-R', 'set_super_value state 0', host.slotB);
    await runProgram('debugfs', '-w', '-R', 'setb 2000 1', host.slotB);
    expect(await protect()).to.include({ isGuarded: true });
    expect(cleared, 'the slot is not staged while it is mended').to.equal(2);
    await runProgram('e2fsck', '-fn', host.slotB);
    const before = await readFile(host.slotB);
    await protect();
    expect(before.equals(await readFile(host.slotB))).to.equal(true);
  });

  it('refuses a slot whose file system does not let itself be mended', async () => {
    await install(SYSTEM, 8, ['-O', '^has_journal']);
    await runProgram('debugfs', '-w', '-R', 'set_super_value state 0', host.slotB);
    // Two files that share their blocks: which of them is right, only a person can say.
    const blocks = await inSlot('blocks', '/usr/lib/systemd/systemd');
    await runProgram('debugfs', '-w', '-R', 'set_inode_field /etc/os-release flags 0', host.slotB);
    await runProgram(
      'debugfs',
      '-w',
      '-R',
      `set_inode_field /etc/os-release block[0] ${blocks.trim()}`,
      host.slotB,
    );
    expect(await protect().then(() => 'nothing', reasonOf)).to.equal('SlotWriteFailed');
  });

  it('refuses a slot whose superblock a power cut tore, guarded or not', async () => {
    await install(SYSTEM);
    await protect();
    const slot = await open(host.slotB, 'r+');
    // In the second of its two sectors.
    await slot.write(Buffer.from([0x5a]), 0, 1, 1024 + 700);
    await slot.close();
    expect(await protect().then(() => 'nothing', reasonOf)).to.equal('SlotWriteFailed');
  });

  it('can be put there after an agent was killed in the middle of it, who left no mount', async () => {
    await install(SYSTEM);
    const killed = spawn(process.execPath, [KILLED_PROGRAM, host.slotB], { stdio: 'inherit' });
    expect(await once(killed, 'exit')).to.deep.equal([null, 'SIGKILL']);
    await eventually(() => host.slots.assertWritable('B').then(() => true), {
      timeoutMs: 30_000,
      what: 'the slot is let go',
    });
    expect(await protect()).to.include({ isGuarded: true });
    await runProgram('e2fsck', '-fn', host.slotB);
  });

  it('leads out of the slot by no link', async () => {
    await install([
      ...SYSTEM.filter(path => !path.includes('/lib')),
      '/lib/systemd/systemd',
      `/usr/lib -> ${dir}/outside`,
    ]);
    await mkdir(join(dir, 'outside'));
    expect(await protect()).to.include({ isGuarded: true });
    expect(await readdir(join(dir, 'outside'))).to.deep.equal([]);
  });
});
