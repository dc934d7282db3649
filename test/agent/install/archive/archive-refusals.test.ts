import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { reasonOf } from '../../../../src/domain/errors.ts';
import { type ImageServer, startImageServer } from '../../../env/image-server.ts';
import { buildImage, buildRootTar, checksumOf, type RootTar } from '../../../env/images.ts';
import { needsRoot } from '../../../env/needs-root.ts';
import { runProgram } from '../../../env/node/run-program.ts';
import { eventually } from '../../../env/wait.ts';
import { StagingHost } from '../staging.ts';
import { directory, file, hardlink, member, symlink, tarOf } from '../tar/build-tar.ts';

const MIB = 1024 * 1024;
const execute = promisify(execFile);

describe('an archive that is not taken', function () {
  this.timeout(120_000);
  let dir = '';
  let old = '';
  let tar: RootTar;
  let small: RootTar;
  let server: ImageServer;
  let host: StagingHost;

  before(async function () {
    needsRoot(this, 'mounting a slot');
    dir = await mkdtemp(join(tmpdir(), 'tar-refusals-'));
    old = (await buildImage({ version: 'v1.34.1', sizeMiB: 6, fillMiB: 1 })).path;
    tar = await buildRootTar({ version: 'v1.35.1', fillMiB: 10 });
    small = await buildRootTar({ version: 'v1.35.1', fillMiB: 1 });
    server = await startImageServer();
  });
  after(async () => {
    await server?.close();
    if (dir !== '') await rm(dir, { recursive: true });
  });
  beforeEach(async () => {
    host = await StagingHost.make(old, 32 * MIB);
    server.setFaults('/image');
  });
  afterEach(() => host?.remove());

  const serveFile = async (path: string) => {
    server.serve('/image', path);
    return { url: `${server.url}/image`, checksum: await checksumOf(path), flagSafe: true };
  };
  const serve = async (bytes: Buffer) => {
    const path = join(dir, 'served');
    await writeFile(path, bytes);
    return serveFile(path);
  };
  const expectDestroyed = async () => expect((await host.headOfB()).every(byte => byte === 0)).to.equal(true);
  const expectNothingLeft = async () => {
    expect(await runProgram('losetup', '-j', host.slotB)).to.equal('');
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.to.contain(host.root);
  };

  for (const { what, bytes, says } of [
    { what: 'a name that leaves the tree', bytes: () => tarOf(file('./a'), file('../b')), says: '"../b"' },
    { what: 'a name with .. inside', bytes: () => tarOf(file('a/../../b')), says: 'a/../../b' },
    {
      what: 'a hard link out of the tree',
      bytes: () => tarOf(hardlink('a', '../etc/passwd')),
      says: '../etc',
    },
    {
      what: 'a hard link to nothing',
      bytes: () => tarOf(file('a'), hardlink('b', 'c')),
      says: 'hard link to "c"',
    },
    {
      what: 'a hard link to a folder',
      bytes: () => tarOf(directory('a/'), hardlink('b', 'a')),
      says: 'hard link',
    },
    { what: 'a file below a file', bytes: () => tarOf(file('a'), file('a/b')), says: 'no folder' },
    {
      what: 'a circle of links',
      bytes: () => tarOf(symlink('a', 'b'), symlink('b', 'a'), file('a/x')),
      says: 'circle',
    },
    { what: 'a root that is a file', bytes: () => tarOf(file('.')), says: 'replaces its root' },
    {
      what: 'an extended attribute larger than a block',
      bytes: () => tarOf([member('a', { attributes: [['user.big', 'v'.repeat(5000)]] }), Buffer.alloc(0)]),
      says: 'extended attributes',
    },
    { what: 'a lone extended header', bytes: () => loneExtension(), says: 'within a member' },
    {
      what: 'something behind the end',
      bytes: () => Buffer.concat([tarOf(file('a')), Buffer.alloc(512, 1)]),
      says: 'after its end',
    },
    { what: 'no end mark', bytes: () => tarOf(file('a')).subarray(0, 1024), says: 'cut off' },
    {
      what: 'a header whose checksum is wrong',
      bytes: () => damagedAt(1024 + 10),
      says: 'checksum of a header',
    },
  ]) {
    it(`refuses ${what}, and leaves nothing to find`, async () => {
      const { reason, message } = await host.refusal(await serve(bytes()));
      expect(reason).to.equal('ImageInvalid');
      expect(message).to.contain(says);
      await expectDestroyed();
      await expectNothingLeft();
    });
  }

  const loneExtension = (): Buffer =>
    Buffer.concat([
      tarOf([member('a', { mtime: '1.5' }), Buffer.alloc(0)]).subarray(0, 1024),
      Buffer.alloc(1024),
    ]);
  const damagedAt = (at: number): Buffer => {
    const bytes = tarOf(file('a'), file('b'));
    bytes[at] = 255;
    return bytes;
  };

  it('strips the slash of absolute names', async () => {
    await host.stage(await serve(tarOf(directory('/etc/'), file('/etc/os-release', 'VERSION_ID=7\n'))));
    expect((await host.slots.inspect()).B.osRelease?.versionId).to.equal('7');
  });

  it('follows links inside the tree only', async () => {
    const escaped = join(dir, 'escaped');
    const bytes = tarOf(
      symlink('out', '/'),
      symlink('up', '../../../../..'),
      file(`out${escaped}`, 'evil'),
      file(`up${escaped}2`, 'evil'),
      file('etc/os-release', 'VERSION_ID=7\n'),
      hardlink('copy', 'out/etc/os-release'),
    );
    await host.stage(await serve(bytes));
    for (const path of [escaped, `${escaped}2`])
      expect(await stat(path).catch(() => 'none')).to.equal('none');
    expect(await runProgram('debugfs', '-R', `cat ${escaped}`, host.slotB)).to.equal('evil');
    expect(await runProgram('debugfs', '-R', `cat ${escaped}2`, host.slotB)).to.equal('evil');
    expect(await runProgram('debugfs', '-R', 'cat copy', host.slotB)).to.equal('VERSION_ID=7\n');
  });

  it('takes the later of two members of one name', async () => {
    const bytes = tarOf(
      file('etc/os-release', 'VERSION_ID=1\n'),
      directory('x/y/'),
      file('x/y/z'),
      symlink('l', '/one'),
      file('l'),
      symlink('l', '../two'),
      symlink('l', '/three'),
      symlink('s', 'x'),
      file('etc/os-release', 'VERSION_ID=2\n'),
      file('x', 'a file now'),
      directory('s/'),
      file('s/t'),
    );
    await host.stage(await serve(bytes));
    expect((await host.slots.inspect()).B.osRelease?.versionId).to.equal('2');
    expect(await runProgram('debugfs', '-R', 'cat x', host.slotB)).to.equal('a file now');
    expect(await runProgram('debugfs', '-R', 'stat l', host.slotB)).to.contain('"/three"');
    expect(await runProgram('debugfs', '-R', 'cat s/t', host.slotB)).to.equal('x');
  });

  for (const packing of ['gzip', 'xz', 'zstd']) {
    describe(`packed with ${packing}`, () => {
      const packed = async (bytes: Buffer): Promise<Buffer> => {
        await writeFile(join(dir, 'raw'), bytes);
        const { stdout } = await execute(packing, ['-c', join(dir, 'raw')], {
          encoding: 'buffer',
          maxBuffer: 64 * MIB,
        });
        return stdout;
      };
      let whole: Buffer = Buffer.alloc(0);
      before(async () => {
        whole = await packed(await readFile(small.path));
      });

      it('takes several members one behind the other', async () => {
        const bytes = await readFile(small.path);
        const first = await packed(bytes.subarray(0, MIB / 2));
        await host.stage(await serve(Buffer.concat([first, await packed(bytes.subarray(MIB / 2))])));
        expect((await host.slots.inspect()).B.osRelease?.versionId).to.equal('1.35.1');
      });

      for (const { what, change } of [
        {
          what: 'garbage behind it',
          change: (all: Buffer) => Buffer.concat([all, Buffer.from('garbage'.repeat(20))]),
        },
        { what: 'its end missing', change: (all: Buffer) => all.subarray(0, all.length - 20) },
        { what: 'half of it missing', change: (all: Buffer) => all.subarray(0, all.length / 2) },
        {
          what: 'a wrong check value',
          change: (all: Buffer) => withByte(all, all.length - (packing === 'xz' ? 40 : 3)),
        },
        {
          what: 'a wrong byte in the middle',
          change: (all: Buffer) => withByte(all, Math.floor(all.length / 2)),
        },
      ]) {
        it(`refuses ${what}`, async () => {
          const { reason } = await host.refusal(await serve(change(whole)));
          expect(reason).to.equal('ImageInvalid');
          await expectDestroyed();
          await expectNothingLeft();
        });
      }
    });
  }
  const withByte = (bytes: Buffer, at: number): Buffer => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 0x55;
    return copy;
  };

  it('says which program is missing, and the way out', async () => {
    const path = process.env.PATH;
    const plan = await serve(Buffer.from('fd377a585a000004e6d6b446', 'hex'));
    process.env.PATH = '/nowhere';
    try {
      const { reason, message } = await host.refusal(plan);
      expect(reason).to.equal('ProgramMissing');
      expect(message).to.contain('xz').and.to.contain('zstd');
    } finally {
      process.env.PATH = path;
    }
    expect((await host.slots.inspect()).B.osRelease?.versionId).to.equal('1.34.1');
  });

  it('calls a damaged file damaged, though tar stumbles over it first', async () => {
    const plan = await serveFile(tar.path);
    server.setFaults('/image', { kind: 'wrongByte', atBytes: 1024 });
    expect((await host.refusal(plan)).reason).to.equal('ChecksumMismatch');
    await expectDestroyed();
  });

  for (const what of ['path', 'zstPath'] as const) {
    it(`finds that the very last byte is wrong (${what})`, async () => {
      const plan = await serveFile(tar[what]);
      server.setFaults('/image', { kind: 'wrongByte', atBytes: (await stat(tar[what])).size - 1 });
      expect((await host.refusal(plan)).reason).to.equal('ChecksumMismatch');
      await expectDestroyed();
      expect(await grubSees(host.slotB)).to.equal('');
    });
  }

  it('refuses a wrong checksum of a whole archive', async () => {
    const plan = await serveFile(tar.zstPath);
    const { reason } = await host.refusal({ ...plan, checksum: `sha256:${'0'.repeat(64)}` });
    expect(reason).to.equal('ChecksumMismatch');
    await expectDestroyed();
    await expectNothingLeft();
  });

  it('refuses a size that is not the archive’s', async () => {
    const plan = await serveFile(tar.path);
    expect((await host.refusal({ ...plan, size: tar.sizeBytes + 512 })).reason).to.equal('SizeMismatch');
    expect((await host.refusal({ ...plan, size: tar.sizeBytes - 512 })).reason).to.equal('SizeMismatch');
    await expectDestroyed();
  });

  for (const { what, make } of [
    { what: 'files larger than the slot', make: () => [file('big', 'x'.repeat(33 * MIB))] },
    { what: 'files that do not fit beside the journal', make: () => [file('big', 'x'.repeat(30 * MIB))] },
    {
      what: 'more files than the file system has inodes',
      make: () => Array.from({ length: 9000 }, (_, n) => file(`f${n}`, '')),
    },
  ]) {
    it(`says that it is too large: ${what}`, async () => {
      const { reason, message } = await host.refusal(await serve(tarOf(...make())));
      expect(reason, message).to.equal('ImageTooLarge');
      await expectDestroyed();
      await expectNothingLeft();
    });
  }

  it('leaves nothing to find when it is stopped in the middle', async () => {
    const plan = await serveFile(tar.path);
    server.setFaults('/image', { kind: 'stall', atBytes: 6 * MIB });
    const ended = host.stage(plan).catch((error: Error) => error.name);
    await eventually(() => host.progress.some(({ bytesDone }) => bytesDone > 5 * MIB), {
      timeoutMs: 20_000,
      what: 'a part has come',
    });
    host.abort.abort();
    expect(await ended).to.equal('AbortError');
    await expectDestroyed();
    await expectNothingLeft();
  });

  it('is killed in the middle: nothing stays mounted, and GRUB finds no system', async () => {
    const plan = await serveFile(tar.path);
    server.setFaults('/image', { kind: 'stall', atBytes: 6 * MIB });
    const program = join(import.meta.dirname, 'stage-program.ts');
    const child = spawn(process.execPath, [program, host.root, JSON.stringify(plan)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    try {
      await eventually(async () => (await runProgram('losetup', '-j', host.slotB)) !== '', {
        timeoutMs: 20_000,
        what: 'the slot is mounted',
      });
      // While it is being filled.
      expect(await host.slots.assertWritable('B').then(() => 'nothing', reasonOf)).to.equal('SlotBusy');
      expect(await superblock(host.slotB))
        .to.match(/volume name:\s+<none>/)
        .and.to.contain('ea_inode');
      expect(await grubSees(host.slotB)).to.equal('');
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
    await eventually(() => expectNothingLeft().then(() => true), {
      timeoutMs: 20_000,
      what: 'nothing is mounted any more',
    });
    expect(await superblock(host.slotB))
      .to.match(/volume name:\s+<none>/)
      .and.to.contain('ea_inode');
    expect(await grubSees(host.slotB)).to.equal('');
    await host.slots.assertWritable('B');
    server.setFaults('/image');
    await host.stage(plan);
    expect(await grubSees(host.slotB)).to.contain('boot');
  });

  const superblock = (image: string): Promise<string> => runProgram('dumpe2fs', '-h', image);
  const grubSees = (image: string): Promise<string> =>
    runProgram('grub-fstest', image, 'ls', '(loop0)/').then(
      text => text.trim(),
      () => '',
    );

  it('cannot be told from the disk’s fault: what does not read back is not revealed', async () => {
    const plan = await serveFile(tar.path);
    host.whenInstalling = () => {
      const bytes = readFileSync(host.slotB);
      bytes.write('VERSION_IE=', bytes.indexOf('VERSION_ID='));
      writeFileSync(host.slotB, bytes);
    };
    const { reason, message } = await host.refusal(plan);
    expect(reason).to.equal('ReadBackMismatch');
    expect(message).to.contain('os-release');
    await expectDestroyed();
  });
});
