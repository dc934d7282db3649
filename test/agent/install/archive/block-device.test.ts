import { mkdtemp, open, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { planFileSystem } from '../../../../src/agent/install/archive/file-system-plan.ts';
import { fillSlot } from '../../../../src/agent/install/archive/fill-slot.ts';
import { unpackArchive } from '../../../../src/agent/install/archive/unpack-archive.ts';
import { holdSlot } from '../../../../src/agent/slots/exclusive.ts';
import { reasonOf } from '../../../../src/domain/errors.ts';
import { needsRoot } from '../../../env/needs-root.ts';
import { runProgram } from '../../../env/node/run-program.ts';
import { file, tarOf } from '../tar/build-tar.ts';

const MIB = 1024 * 1024;
const SLOT_BYTES = 160 * MIB;

describe('an archive on a block device', function () {
  this.timeout(60_000);
  let dir = '';
  let device = '';

  before(function () {
    needsRoot(this, 'mounting a slot');
  });
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'block-archive-'));
    await writeFile(join(dir, 'disk'), '');
    await truncate(join(dir, 'disk'), SLOT_BYTES);
    device = (await runProgram('losetup', '-f', '--show', join(dir, 'disk'))).trim();
  });
  afterEach(async () => {
    if (device !== '') await runProgram('losetup', '-d', device);
    if (dir !== '') await rm(dir, { recursive: true });
    [device, dir] = ['', ''];
  });

  async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
  }
  const fill = async (
    bytes: Buffer,
    whileFilled: () => Promise<void> = async () => undefined,
    path = device,
    whenHeld: () => Promise<void> = async () => undefined,
  ) => {
    const held = await holdSlot(path);
    try {
      await whenHeld();
      return await fillSlot(
        {
          slot: { name: 'B', sizeBytes: SLOT_BYTES },
          held,
          plan: planFileSystem(Buffer.alloc(1024)),
          signal: new AbortController().signal,
          onProgress: () => undefined,
        },
        async filling => {
          await whileFilled();
          await unpackArchive(filling, inPieces(bytes));
        },
      );
    } finally {
      await held.release();
    }
  };

  it('is lent to the mount, and nobody else gets it meanwhile', async () => {
    const reasons: string[] = [];
    const hash = await fill(tarOf(file('etc/os-release', 'VERSION_ID=5\n')), async () => {
      reasons.push(await holdSlot(device).then(() => 'nothing', reasonOf));
    });
    expect(reasons).to.deep.equal(['SlotBusy']);
    expect(hash).to.match(/^[0-9a-f]{64}$/);
    await runProgram('e2fsck', '-fn', device);
    expect(await runProgram('debugfs', '-R', 'cat /etc/os-release', device)).to.equal('VERSION_ID=5\n');
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.to.contain(device);
    await (await holdSlot(device)).release();
  });

  it('is the device that a link led to, though the link goes away as soon as the label does', async () => {
    const link = join(dir, 'by-label');
    await symlink(device, link);
    await fill(tarOf(file('etc/os-release', 'VERSION_ID=5\n')), undefined, link, () => rm(link));
    expect(await runProgram('debugfs', '-R', 'cat /etc/os-release', device)).to.equal('VERSION_ID=5\n');
    expect(await readdir(dir)).to.deep.equal(['disk']);
  });

  it('has its label and its features in every copy of the superblock', async () => {
    await fill(tarOf(file('a')));
    // 4 KiB blocks: the second group of blocks begins at 128 MiB.
    const copy = await runProgram('dumpe2fs', '-h', '-o', 'superblock=32768', '-o', 'blocksize=4096', device);
    for (const text of [copy, await runProgram('dumpe2fs', '-h', device)]) {
      expect(text)
        .to.match(/volume name:\s+ROOT-B/)
        .and.not.to.contain('ea_inode');
    }
    await runProgram('e2fsck', '-fn', device);
  });

  it('is held again after a failure, and unfindable', async () => {
    expect(await fill(tarOf(file('../a'))).then(() => 'nothing', reasonOf)).to.equal('ImageInvalid');
    const handle = await open(device, 'r');
    const head = Buffer.alloc(4096);
    await handle.read(head, 0, head.length, 0);
    await handle.close();
    expect(head.every(byte => byte === 0)).to.equal(true);
    await (await holdSlot(device)).release();
  });
});
