import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { expect } from 'chai';
import { messageOf, reasonOf, TransientError } from '../../../src/domain/errors.ts';
import { eventually } from '../../env/wait.ts';
import { ENVIRONMENT_BYTES, INITIAL, UBootBoard } from './uboot-board.ts';

const SETTLED_ON_A = { ...INITIAL, upgrade_available: '0', bootcount: '0' };
const ARMED = { defaultSlot: 'A', trialSlot: 'B' };

describe('U-Boot', () => {
  let board: UBootBoard;
  beforeEach(async () => {
    board = await UBootBoard.create();
  });
  afterEach(() => board.remove());

  const refused = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => undefined,
      error => error,
    );
  const reasonFrom = async (promise: Promise<unknown>) => {
    const error = await refused(promise);
    return error === undefined ? 'nothing' : reasonOf(error);
  };

  it('reads the default slot, an armed trial and a running one', async () => {
    const uboot = board.bootLoader();
    expect(await uboot.read()).to.deep.equal({ defaultSlot: 'A' });
    await uboot.armTrial('B', 'A');
    expect(await uboot.read()).to.deep.equal(ARMED);
    await board.set({ bootcount: '1' });
    expect(await uboot.read()).to.deep.equal({ defaultSlot: 'A' });
  });

  it('arms and settles by one write each, and keeps what is not its own', async () => {
    const uboot = board.bootLoader();
    await board.set({ serial: 'x = 1;  y', bootdelay: '2' });
    const others = { ...INITIAL, serial: 'x = 1;  y', bootdelay: '2' };
    let before = await board.bytes();
    await uboot.armTrial('B', 'A');
    expect(await board.changedCopies(before)).to.have.length(1);
    expect(await board.variables()).to.deep.equal({
      ...others,
      boot_slot: 'B',
      boot_slot_fallback: 'A',
      upgrade_available: '1',
      bootcount: '0',
    });
    before = await board.bytes();
    await uboot.settle('B');
    expect(await board.changedCopies(before)).to.have.length(1);
    const settled = { ...others, boot_slot: 'B', upgrade_available: '0', bootcount: '0' };
    expect(await board.variables()).to.deep.equal(settled);
    before = await board.bytes();
    await uboot.settle('B');
    expect(await board.changedCopies(before), 'nothing is written when nothing changes').to.deep.equal([]);
  });

  it('a write that is cut off at any byte leaves what was there or what was to be', async () => {
    const uboot = board.bootLoader();
    const before = await board.bytes();
    await uboot.armTrial('B', 'A');
    const [changed] = await board.changedCopies(before);
    const copy = changed === 0 ? 0 : 1;
    const whole = await board.bytes();
    for (const bytes of [1, 4, 5, 6, 40, 90, 512, 4096, ENVIRONMENT_BYTES - 1]) {
      await board.restore(whole);
      await board.tear(copy, before, bytes);
      expect([{ defaultSlot: 'A' }, ARMED], `cut off at ${bytes}`).to.deep.include(await uboot.read());
      await uboot.settle('A');
      expect(await board.variables()).to.deep.include({ ...INITIAL });
    }
  });

  for (const copy of [0, 1] as const)
    it(`goes by the other copy if copy ${copy} is damaged, and mends it`, async () => {
      const uboot = board.bootLoader();
      await uboot.settle('A');
      const before = await board.variables();
      await uboot.settle('A');
      await board.set({ note: 'both copies are alike now' });
      await board.set({ note: '' });
      await board.damage(copy);
      const seen = await board.variables();
      delete seen.note;
      expect(seen).to.deep.equal(before);
      await uboot.assertTrialSupported();
      await uboot.armTrial('B', 'A');
      await board.damage(copy === 0 ? 1 : 0);
      expect(await uboot.read()).to.deep.equal(ARMED);
    });

  it('never writes over an environment that cannot be read', async () => {
    const uboot = board.bootLoader();
    await board.damage(0);
    await board.damage(1);
    const before = await board.bytes();
    for (const act of [
      () => uboot.read(),
      () => uboot.assertTrialSupported(),
      () => uboot.armTrial('B', 'A'),
      () => uboot.settle('A'),
    ]) {
      const error = await refused(act());
      expect(reasonOf(error)).to.equal('BootEnvironmentInvalid');
      expect(messageOf(error)).to.contain('fw_env.config');
    }
    expect(await board.changedCopies(before)).to.deep.equal([]);
  });

  describe('is refused before anything is written', () => {
    for (const [name, values, reason, word] of [
      ['without altbootcmd', { altbootcmd: '' }, 'TrialBootUnsupported', 'altbootcmd'],
      ['without a limit', { bootlimit: '' }, 'TrialBootUnsupported', 'bootlimit'],
      ['where bootcmd ends at the prompt', { bootcmd: 'run a' }, 'TrialBootUnsupported', 'reset'],
    ] as const)
      it(name, async () => {
        await board.set(values);
        const error = await refused(board.bootLoader().assertTrialSupported());
        expect(reasonOf(error)).to.equal(reason);
        expect(messageOf(error)).to.contain(word);
      });

    it('with one copy', async () => {
      await board.configure('/boot/uboot.env 0x0 0x4000\n');
      const error = await refused(board.bootLoader().assertTrialSupported());
      expect(reasonOf(error)).to.equal('TrialBootUnsupported');
      expect(messageOf(error)).to.contain('fw_env.config').and.contain('two');
    });

    it('without fw_env.config, or with one that lies', async () => {
      await rm(join(board.root, 'etc/fw_env.config'));
      expect(await reasonFrom(board.bootLoader().read())).to.equal('BootEnvironmentInvalid');
      await board.configure('/boot/uboot.env 0x0 0x2000\n/boot/uboot-redund.env 0x0 0x2000\n');
      expect(await reasonFrom(board.bootLoader().read())).to.equal('BootEnvironmentInvalid');
      await board.configure('/boot/none.env 0x0 0x4000\n/boot/uboot-redund.env 0x0 0x4000\n');
      expect(await reasonFrom(board.bootLoader().read())).to.equal('BootEnvironmentInvalid');
    });

    it('with no room left', async () => {
      // One line of a script takes no more than this.
      const padding = Array.from({ length: 16 }, (_, at) => [`pad${at}`, 'x'.repeat(990)]);
      await board.set(Object.fromEntries(padding));
      const used = Object.entries(await board.variables()).map(([name, value]) => `${name}=${value}\0`);
      const left = ENVIRONMENT_BYTES - 5 - 1 - used.join('').length;
      await board.set({ rest: 'x'.repeat(left - 'rest=\0'.length - 40) });
      const error = await refused(board.bootLoader().assertTrialSupported());
      expect(reasonOf(error)).to.equal('BootEnvironmentInvalid');
      expect(messageOf(error)).to.contain('room');
      expect(await reasonFrom(board.bootLoader().armTrial('B', 'A'))).to.equal('BootEnvironmentInvalid');
      expect(await board.bootLoader().read()).to.deep.equal({ defaultSlot: 'A' });
    });

    it('with a slot variable that names neither slot', async () => {
      await board.set({ boot_slot: 'C' });
      const error = await refused(board.bootLoader().read());
      expect(reasonOf(error)).to.equal('BootEnvironmentInvalid');
      expect(messageOf(error)).to.contain('boot_slot').and.contain('"C"');
    });

    it('with a root found by the UUID of a file system', async () => {
      await board.bootLoader().assertFindsNewSystem('B');
      await board.set({ bootargs: 'root=UUID=4f4e-11 ro' });
      expect(await reasonFrom(board.bootLoader().assertFindsNewSystem('B'))).to.equal('BootLineUnsupported');
    });
  });

  it('finds copies behind links of the host, also absolute ones', async () => {
    await mkdir(join(board.root, 'mnt'));
    for (const path of board.copies) await rename(path, path.replace('/boot/', '/mnt/'));
    await rm(join(board.root, 'boot'), { recursive: true });
    await symlink('/mnt', join(board.root, 'boot'));
    expect(await board.bootLoader().read()).to.deep.equal({ defaultSlot: 'A' });
  });

  describe('beside a fw_setenv that a person runs on the host', () => {
    let lock: string;
    let holder: ChildProcessByStdio<Writable, Readable, null>;

    beforeEach(async () => {
      await symlink('/run/lock', join(board.root, 'var/lock'));
      lock = join(board.root, 'run/lock/fw_printenv.lock');
      holder = spawn('flock', [lock, 'sh', '-c', 'echo held; read _'], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      await once(holder.stdout, 'data');
    });
    afterEach(async () => {
      holder.stdin.end('\n');
      if (holder.exitCode === null) await once(holder, 'exit');
    });

    it('waits for it', async () => {
      let isDone = false;
      const armed = board.bootLoader().armTrial('B', 'A');
      const done = armed.then(() => {
        isDone = true;
      });
      const what = 'the agent waits for the lock';
      await eventually(async () => (await waitersOn(lock)) > 0, { timeoutMs: 4_000, everyMs: 20, what });
      expect(isDone).to.equal(false);
      holder.stdin.end('\n');
      await done;
      expect(await board.bootLoader().read()).to.deep.equal(ARMED);
    });

    it('but not for ever, and reads all the while', async () => {
      const error = await refused(board.bootLoader().armTrial('B', 'A'));
      expect(error).to.be.instanceOf(TransientError);
      expect(reasonOf(error)).to.equal('BootEnvironmentBusy');
      expect(await board.bootLoader().read()).to.deep.equal({ defaultSlot: 'A' });
    });
  });

  it('names the files that an image must hold, and what a slot without the agent looks at', async () => {
    const uboot = board.bootLoader({ files: ['/boot/Image'] });
    expect(await uboot.bootFiles('B')).to.deep.equal(['/boot/Image']);
    const check = await uboot.describeDefault('B');
    if (check.type !== 'u-boot') throw new Error(check.type);
    const isDefault = async () => check.values.includes((await board.variables())[check.variable] ?? '');
    await uboot.armTrial('B', 'A');
    expect(await isDefault(), 'on trial').to.equal(false);
    await board.set({ bootcount: '1' });
    expect(await isDefault(), 'on trial').to.equal(false);
    await uboot.settle('B');
    expect(await isDefault(), 'kept').to.equal(true);
  });

  it('settles what a failed trial has left', async () => {
    const uboot = board.bootLoader();
    await uboot.armTrial('B', 'A');
    await board.set({ bootcount: '2' });
    expect(await uboot.read()).to.deep.equal({ defaultSlot: 'A', trialSlot: 'A' });
    await uboot.settle('A');
    expect(await board.variables()).to.deep.equal(SETTLED_ON_A);
  });

  it('goes by the names of the board', async () => {
    await board.set({ mender_boot_part: '2' });
    const uboot = board.bootLoader({
      variables: { slot: 'mender_boot_part', fallback: 'mender_boot_part_old' },
      values: { A: '2', B: '3' },
    });
    await uboot.armTrial('B', 'A');
    expect(await board.variables()).to.deep.include({
      boot_slot: 'A',
      mender_boot_part: '3',
      mender_boot_part_old: '2',
    });
    expect(await uboot.read()).to.deep.equal(ARMED);
  });
});

/** How many processes wait for a lock on a file. */
async function waitersOn(path: string): Promise<number> {
  const { ino } = await stat(path);
  const lines = (await readFile('/proc/locks', 'utf8')).split('\n');
  return lines.filter(line => line.includes('-> FLOCK') && line.includes(`:${ino} `)).length;
}
