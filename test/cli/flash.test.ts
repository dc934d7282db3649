import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import winston from 'winston';
import { holdSlot } from '../../src/agent/slots/exclusive.ts';
import { openState } from '../../src/agent/state.ts';
import { buildImage, buildRootTar, checksumOf, type Image } from '../env/images.ts';
import { needsRoot } from '../env/needs-root.ts';
import { runProgram } from '../env/node/run-program.ts';
import { hasFile, readLabel } from '../env/node/slot-file.ts';
import { eventually } from '../env/wait.ts';
import { FlashMachine, freePort, isListening, kill, startFlash } from './flash-machine.ts';
import { runCtl } from './run-ctl.ts';

const MIB = 1024 * 1024;
const TO_B = ['--slot', 'B'];

describe('ctl flash', function () {
  this.timeout(30_000);
  let image: Image;
  let machine: FlashMachine;

  before(async () => {
    image = await buildImage({ version: 'v1.35.1' });
  });
  beforeEach(async () => {
    machine = await FlashMachine.make();
  });
  afterEach(() => machine.remove());

  const state = () =>
    openState(join(machine.files.root, 'var/lib/node-agent'), winston.createLogger({ silent: true }));
  /** The exit code, and what was said. */
  const refused = async (args: readonly string[], stdin?: Buffer): Promise<string> => {
    const { code, stderr, stdout } = await machine.flash(args, stdin);
    expect(`${code} ${stdout}`, stderr).to.equal('1 ');
    return stderr;
  };
  /** A flash in the middle: half of the image has come, and the slot is being written. */
  const halfWay = async () => {
    const flashing = startFlash(machine.configFile, TO_B);
    const bytes = await readFile(image.path);
    flashing.child.stdin.write(bytes.subarray(0, 12 * MIB));
    await eventually(() => machine.isBUnfindable(), { timeoutMs: 20_000, what: 'the slot is being written' });
    return flashing;
  };

  describe('an image', () => {
    it('comes from a file, and is booted by hand as the last lines say', async () => {
      const { code, stdout, stderr } = await machine.flash([...TO_B, image.zstPath]);
      expect(code, stderr).to.equal(0);
      expect(stdout)
        .to.contain('slot B holds Demo OS 1.35.1 (VERSION_ID 1.35.1)')
        .and.contain(image.checksum);
      expect(await readLabel(machine.files.slots.B)).to.equal('ROOT-B');
      const [, typed = ''] = /^ {2}(grub-editenv .*)$/m.exec(stdout) ?? [];
      const [program = '', path = '', ...rest] = typed.split(' ');
      await runProgram(program, join(machine.files.root, path), ...rest);
      expect((await machine.boot()).osRelease.VERSION_ID).to.equal('1.35.1');
      expect((await machine.boot()).osRelease.VERSION_ID, 'for one boot').to.equal('1.34.1');
    });

    it('goes through pv and ncat, as the document has it', async () => {
      const port = await freePort();
      const receiver = spawn('ncat', ['-l', '127.0.0.1', String(port), '--recv-only'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const flashing = startFlash(machine.configFile, [...TO_B, '-']);
      receiver.stdout.pipe(flashing.child.stdin);
      await eventually(() => isListening(port), { timeoutMs: 20_000, what: 'ncat listens' });
      const pv = spawn('pv', ['--quiet', image.zstPath], { stdio: ['ignore', 'pipe', 'inherit'] });
      const sender = spawn('ncat', ['127.0.0.1', String(port), '--send-only'], {
        stdio: ['pipe', 'inherit', 'inherit'],
      });
      pv.stdout.pipe(sender.stdin);
      try {
        const { code, stderr } = await flashing.ended;
        expect(code, stderr).to.equal(0);
        expect(await machine.versionInB()).to.equal('1.35.1');
      } finally {
        await Promise.all([receiver, pv, sender].map(kill));
      }
    });

    const PACKINGS: Record<string, (image: Image) => Promise<Buffer> | Buffer> = {
      plain: ({ path }) => readFile(path),
      zstd: ({ zstPath }) => readFile(zstPath),
      gzip: async ({ path }) => gzipSync(await readFile(path), { level: 1 }),
      xz: async ({ path }) => {
        const copy = join(machine.dir, 'image');
        await writeFile(copy, await readFile(path));
        await runProgram('xz', '-0', copy);
        return readFile(`${copy}.xz`);
      },
    };
    for (const [packing, pack] of Object.entries(PACKINGS)) {
      it(`may be ${packing}`, async () => {
        const { code, stderr } = await machine.flash(TO_B, await pack(image));
        expect(code, stderr).to.equal(0);
        await runProgram('e2fsck', '-fn', machine.files.slots.B);
        expect(await machine.versionInB()).to.equal('1.35.1');
      });
    }

    it('may be a tar of a root file system', async function () {
      needsRoot(this, 'mounting a slot');
      const { zstPath } = await buildRootTar({ version: 'v1.35.2', sizeMiB: 16, fillMiB: 1 });
      const { code, stderr } = await machine.flash([...TO_B, zstPath]);
      expect(code, stderr).to.equal(0);
      expect(await machine.versionInB()).to.equal('1.35.2');
    });

    it('gets the guard of a trial, if its system can run one', async function () {
      needsRoot(this, 'mounting a slot');
      const none = await machine.flash([...TO_B, image.zstPath]);
      expect(`${none.code}`).to.equal('0');
      expect(none.stderr).to.contain('/usr/lib/systemd/systemd');
      const system = join(machine.dir, 'system');
      await copyFile(image.path, system);
      const files = ['/usr/lib/systemd/systemd', '/bin/sh', '/bin/sleep'];
      for (const folder of ['/usr/lib/systemd', '/bin'])
        await runProgram('debugfs', '-w', '-R', `mkdir ${folder}`, system);
      for (const file of files)
        await runProgram('debugfs', '-w', '-R', `write /etc/hostname ${file}`, system);
      const { code, stdout, stderr } = await machine.flash([...TO_B, system]);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.contain('15m00s');
      const { slots } = machine.files;
      expect(await hasFile(slots.B, '/usr/lib/systemd/system/twinslot-trial-guard.service')).to.equal(true);
      await runProgram('e2fsck', '-fn', slots.B);
      expect(await readLabel(slots.B)).to.equal('ROOT-B');
    });

    it('is held to --sha256 before anything can find it', async () => {
      const wrong = await refused([...TO_B, '--sha256', '0'.repeat(64), image.zstPath]);
      expect(wrong).to.contain(image.checksum);
      expect(await machine.isBUnfindable()).to.equal(true);
      for (const given of [image.checksum, image.checksum.slice('sha256:'.length).toUpperCase()])
        expect((await machine.flash([...TO_B, '--sha256', given, image.zstPath])).code).to.equal(0);
    });

    it('that is cut off is not found, and the bytes that came are counted', async () => {
      const bytes = await readFile(image.path);
      expect(await refused(TO_B, bytes.subarray(0, 10 * MIB))).to.contain(`${10 * MIB} bytes`);
      expect(await machine.isBUnfindable()).to.equal(true);
    });

    it('that is none, or nothing at all, leaves the slot as it was', async () => {
      await machine.flash([...TO_B, image.zstPath]);
      const disk = Buffer.alloc(MIB);
      disk.write('EFI PART', 512);
      expect(await refused(TO_B, disk)).to.contain('partition table');
      expect(await refused(TO_B, Buffer.alloc(0))).to.contain('empty');
      expect(await machine.versionInB()).to.equal('1.35.1');
    });

    it('that is larger than the slot is refused', async () => {
      const large = await buildImage({ version: 'v1.35.1', sizeMiB: 40, fillMiB: 1 });
      expect(await refused([...TO_B, large.zstPath])).to.contain('slot has');
    });

    it('without a kernel is told, though it is there', async () => {
      const { zstPath } = await buildImage({ version: 'v1.35.3', without: ['kernel'] });
      const { code, stderr } = await machine.flash([...TO_B, zstPath]);
      expect(code).to.equal(1);
      expect(stderr).to.contain('/boot/vmlinuz');
      expect(await machine.versionInB()).to.equal('1.35.3');
    });
  });

  describe('a slot', () => {
    it('that runs is refused', async () => {
      expect(await refused(['--slot', 'A', image.zstPath])).to.contain('slot A');
    });

    it('is refused while the running one is not the default', async () => {
      await machine.flash([...TO_B, image.zstPath]);
      await runProgram('grub-editenv', machine.files.grubEnvironment, 'set', 'next_entry=B');
      await machine.boot();
      expect(await refused(['--slot', 'A', image.zstPath])).to.contain('only good one');
      expect((await machine.boot()).osRelease.VERSION_ID).to.equal('1.34.1');
    });

    it('is refused while the next boot would try it', async () => {
      await runProgram('grub-editenv', machine.files.grubEnvironment, 'set', 'next_entry=B');
      expect(await refused([...TO_B, image.zstPath])).to.contain('armed');
    });

    it('is refused while the agent is about to boot it, or tries it', async () => {
      const trial = {
        ...{ progress: { name: 'osupgrade-abc123f', uid: '1' }, attempt: 1, phase: 'Rebooting' as const },
        ...{ targetSlot: 'B' as const, fromSlot: 'A' as const, targetVersion: 'v1.35.1', trialSeconds: 900 },
        ...{ versionField: 'VERSION_ID' as const, gated: true, bootId: '1', armCount: 1, armed: true },
      };
      await state().trial.save(trial);
      expect(await refused([...TO_B, image.zstPath])).to.contain('osupgrade-abc123f');
      await state().trial.save({ ...trial, phase: 'Ended' });
      expect((await machine.flash([...TO_B, image.zstPath])).code).to.equal(0);
    });

    it('is refused while it is mounted', async function () {
      needsRoot(this, 'mounting a slot');
      const loop = (await runProgram('losetup', '--show', '--find', machine.files.slots.B)).trim();
      try {
        expect(await refused([...TO_B, image.zstPath])).to.contain(loop);
      } finally {
        await runProgram('losetup', '--detach', loop);
      }
    });

    it('is refused while somebody else writes to it', async () => {
      const held = await holdSlot(machine.files.slots.B);
      expect(await refused([...TO_B, image.zstPath])).to.contain('being written');
      await held.release();
      expect((await machine.flash([...TO_B, image.zstPath])).code).to.equal(0);
    });

    it('is not held while nothing comes', async () => {
      const waiting = startFlash(machine.configFile, TO_B);
      await eventually(() => waiting.said().includes('standard input'), {
        timeoutMs: 20_000,
        what: 'it waits',
      });
      expect((await machine.flash([...TO_B, image.zstPath])).code).to.equal(0);
      waiting.child.stdin.end();
      expect((await waiting.ended).code).to.equal(1);
      expect(await machine.versionInB()).to.equal('1.35.1');
    });

    it('is given back when the sender falls silent', async () => {
      await machine.remove();
      machine = await FlashMachine.make({}, { stallSeconds: 1 });
      const { code, stderr } = await (await halfWay()).ended;
      expect(code, stderr).to.equal(1);
      expect((await machine.flash([...TO_B, image.zstPath])).code).to.equal(0);
    });

    it('marked as staged by the agent is not any more', async () => {
      const marker = { uid: '1', attempt: 1, slot: 'B' as const, checksum: '', version: 'v1.35.1' };
      const other = { ...marker, slot: 'A' as const, superblockHash: 'abc' };
      await state().marker.save(other);
      await machine.flash([...TO_B, image.zstPath]);
      expect(await state().marker.load(), 'of the other slot').to.deep.equal(other);
      await state().marker.save({ ...marker, superblockHash: 'abc' });
      await halfWay().then(({ child }) => kill(child));
      expect(await state().marker.load()).to.deep.equal({ ...marker, superblockHash: '' });
    });
  });

  describe('interrupted', () => {
    it('by Ctrl-C: nothing finds the slot, and that is said', async () => {
      const { child, ended } = await halfWay();
      child.kill('SIGINT');
      const { code, stderr } = await ended;
      expect(code).to.equal(130);
      expect(stderr).to.contain('nothing that can be booted');
      expect(await machine.isBUnfindable()).to.equal(true);
    });

    it('by kill -9: nothing finds the slot, the machine boots, and the next flash works', async () => {
      const { child } = await halfWay();
      await kill(child);
      expect(await machine.isBUnfindable()).to.equal(true);
      expect((await machine.boot()).slot).to.equal('A');
      expect((await machine.flash([...TO_B, image.zstPath])).code).to.equal(0);
      expect(await machine.versionInB()).to.equal('1.35.1');
    });
  });

  describe('the command line', () => {
    it('tells by --dry-run what would be written where, and writes nothing', async () => {
      const before = await checksumOf(machine.files.slots.B);
      const { code, stdout } = await machine.flash([...TO_B, '--dry-run', image.zstPath]);
      expect(code).to.equal(0);
      for (const part of ['slot A', 'VERSION_ID 1.34.1', '  /slots/b.img', '32 MiB', image.zstPath])
        expect(stdout).to.contain(part);
      expect(await checksumOf(machine.files.slots.B)).to.equal(before);
      expect((await machine.flash(['--slot', 'A', '--dry-run'])).code, 'what is refused').to.equal(1);
    });

    it('takes HOST_ROOT where the settings name no root, as the agent does', async () => {
      await truncate(machine.configFile, 0);
      const environment = { HOST_ROOT: machine.files.root };
      const { stderr } = await runCtl(['flash', ...TO_B, '--config', machine.configFile, '--dry-run'], {
        environment,
      });
      expect(stderr).to.contain('no slots were found');
    });

    for (const [name, args] of Object.entries({
      'no slot': [],
      'a third slot': ['--slot', 'C'],
      'a checksum that is none': [...TO_B, '--sha256', 'abc'],
      'a file that is not there': [...TO_B, 'nowhere'],
      'a folder': [...TO_B, '/'],
    })) {
      it(`refuses ${name}`, async () => {
        expect((await machine.flash(args)).code).to.equal(2);
      });
    }

    it('shows a bar on a terminal', async () => {
      const command = [
        process.execPath,
        'src/ctl.ts',
        'flash',
        '--config',
        machine.configFile,
        ...TO_B,
        image.zstPath,
      ];
      const script = spawn('script', ['-qec', command.join(' '), '/dev/null'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let screen = '';
      script.stdout.on('data', (chunk: Buffer) => {
        screen += chunk.toString('utf8');
      });
      const [code] = await once(script, 'close');
      expect(code, screen).to.equal(0);
      expect(screen).to.contain('█').and.contain('100%').and.contain('\u001b[?25h');
    });
  });
});
