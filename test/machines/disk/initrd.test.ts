import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeTempDir, removeTempDir } from '../../env/cluster-temp-dir.ts';
import { checksumOf } from '../../env/images.ts';
import { needsRoot } from '../../env/needs-root.ts';
import { debianTree } from '../tree/debian-tree.ts';
import { makeInitrd } from './initrd.ts';
import {
  readBootFile,
  removeSlotFile,
  writeBootFile,
  writeGrubEnvironment,
  writeSlotFile,
} from './offline.ts';
import { runUntilOff, type TinyDisks, tinyDisks } from './tiny-machine.ts';

describe('the initrd of a test machine', function () {
  this.timeout(900_000);
  let dir: string;
  let disks: TinyDisks;
  before(async function () {
    dir = makeTempDir('tiny');
    needsRoot(this, 'making the system of a machine');
    disks = await tinyDisks(dir);
  });
  after(() => removeTempDir(dir));

  it('is small, and the same when it is made again', async () => {
    const { modulesDir } = await debianTree();
    const made = [join(dir, 'one.img'), join(dir, 'two.img')];
    for (const out of made) await makeInitrd({ modulesDir, busybox: '/bin/busybox', out });
    const [one, two] = await Promise.all(made.map(checksumOf));
    expect(one).to.equal(two);
    expect((await stat(join(dir, 'one.img'))).size).to.be.below(4 * 1024 * 1024);
  });

  for (const [diskName, partition] of [
    ['sda', 'sda2'],
    ['nvme0n1', 'nvme0n1p2'],
  ] as const) {
    it(`finds its root on ${diskName}`, async () => {
      const { text } = await runUntilOff(await disks.make('bios'), dir, { diskName });
      expect(text).to.include(`tiny system A runs from /dev/${partition}`);
    });
  }

  for (const [named, root] of [
    ['label', 'LABEL=ROOT-A'],
    ['device', '/dev/vda2'],
  ] as const) {
    it(`finds its root by ${named}`, async () => {
      const disk = await disks.make('uefi');
      const menu = String(await readBootFile(disk, 'grub.cfg'));
      await writeBootFile(disk, 'grub.cfg', menu.replace(/root=PARTUUID=\S+/, `root=${root}`));
      const { text } = await runUntilOff(disk, dir);
      expect(text).to.match(/tiny system A runs from \/dev\/vda2/);
      expect(text).to.include(`root=${root} `);
    });
  }

  for (const broken of ['root', 'init'] as const) {
    it(`panics without a ${broken}, so that the next boot is the default's`, async () => {
      const disk = await disks.make('bios');
      await writeGrubEnvironment(disk, { saved_entry: 'A', next_entry: 'B' });
      if (broken === 'init') await removeSlotFile(disk, 'B', '/sbin/init');
      else {
        const menu = String(await readBootFile(disk, 'grub.cfg'));
        await writeBootFile(disk, 'grub.cfg', menu.replace(/root=PARTUUID=\S+-03/, 'root=PARTUUID=0-0'));
      }
      const { text, boots } = await runUntilOff(disk, dir);
      expect(text).to.match(/initrd: [\s\S]*Kernel panic[\s\S]*tiny system A runs from \/dev\/vda2/);
      expect(boots).to.equal(2);
    });
  }

  it('arms the watchdog when it is told to, which resets a system that hangs', async () => {
    const disk = await disks.make('bios');
    await writeGrubEnvironment(disk, { saved_entry: 'A', next_entry: 'B' });
    const menu = String(await readBootFile(disk, 'grub.cfg'));
    await writeBootFile(disk, 'grub.cfg', menu.replace(/root=PARTUUID=\S+-03/, '$& twinslot.watchdog=5'));
    await writeSlotFile(disk, 'B', '/hang', '');
    const { text, boots } = await runUntilOff(disk, dir, { devices: ['i6300esb'] });
    expect(text).to.match(/initrd: the watchdog[\s\S]*tiny system A runs/);
    expect(boots).to.equal(2);
  });
});
