import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { lacksForTrial, parseMenuEntries } from '../../../src/agent/boot/grub-cfg.ts';
import { makeTempDir, removeTempDir } from '../../env/cluster-temp-dir.ts';
import { makeDisk } from './disk.ts';
import { copyDisk, type DiskLayout, PARTITION_NAMES, readLayout } from './layout.ts';
import {
  corruptGrubEnvironment,
  flipBits,
  fsck,
  readBootFile,
  readGrubEnvironment,
  readPersistFile,
  readSlotFile,
  removeBootFile,
  removePersistFile,
  removeSlotFile,
  writeBootFile,
  writeGrubEnvironment,
  writePersistFile,
  writeSlotFile,
} from './offline.ts';
import { makeSlotImage } from './slot-image.ts';

for (const firmware of ['uefi', 'bios'] as const)
  describe(`the disk of a machine that is off (${firmware})`, () => {
    let dir: string;
    let made: DiskLayout;
    let disk: DiskLayout;
    before(async () => {
      dir = makeTempDir('disk');
      const tree = join(dir, 'tree');
      await mkdir(join(tree, 'etc'), { recursive: true });
      await mkdir(join(tree, 'usr/lib'), { recursive: true });
      await writeFile(join(tree, 'usr/lib/os-release'), 'VERSION_ID=1\n');
      await symlink('../usr/lib/os-release', join(tree, 'etc/os-release'));
      const image = join(dir, 'slot.img');
      await makeSlotImage({ tree, sizeMiB: 16, out: image });
      const sizes = { slotMiB: 24, persistMiB: 24, persistTree: tree };
      made = await makeDisk({ firmware, out: join(dir, 'made.raw'), slots: { A: image }, ...sizes });
    });
    beforeEach(async () => {
      disk = await copyDisk(made, join(dir, 'disk.raw'));
    });
    after(() => removeTempDir(dir));

    it('has the layout that was asked for, and sound file systems where there are any', async () => {
      expect(await readLayout(disk.path)).to.deep.equal(disk);
      const clean = await Promise.all(PARTITION_NAMES.map(async name => (await fsck(disk, name)).clean));
      expect(clean).to.deep.equal([true, true, false, true]);
    });

    it('has a menu that the agent takes for one that can try an entry once', async () => {
      const menu = String(await readBootFile(disk, 'grub.cfg'));
      expect(lacksForTrial(menu)).to.deep.equal([]);
      expect(parseMenuEntries(menu)).to.deep.include.members([
        {
          ...{ title: 'A', id: 'KubeOS-A', index: 0, searchLabel: 'ROOT-A', isRootByUuid: false },
          files: ['/boot/vmlinuz', '/boot/initramfs.img'],
        },
      ]);
    });

    it('shows files of slots and PERSIST, through links, and takes others', async () => {
      expect(await readSlotFile(disk, 'A', '/etc/os-release')).to.equal('VERSION_ID=1\n');
      await writeSlotFile(disk, 'A', '/usr/lib/os-release', 'VERSION_ID=2\n');
      expect(await readSlotFile(disk, 'A', '/etc/os-release')).to.equal('VERSION_ID=2\n');
      await removeSlotFile(disk, 'A', '/etc/os-release');
      expect(await readSlotFile(disk, 'A', '/etc/os-release')).to.equal(undefined);

      await writePersistFile(disk, '/var/lib/node "agent"/state file', 'x', 0o600);
      expect(await readPersistFile(disk, '/var/lib/node "agent"/state file')).to.equal('x');
      await removePersistFile(disk, '/var/lib/node "agent"/state file');
      await removePersistFile(disk, '/no/such/file');
      expect(await readPersistFile(disk, '/var/lib/node "agent"/state file')).to.equal(undefined);
      expect((await fsck(disk, 'rootA')).clean && (await fsck(disk, 'persist')).clean).to.equal(true);
    });

    it('shows and takes GRUB’s environment', async () => {
      expect((await readGrubEnvironment(disk)).size).to.equal(0);
      await writeGrubEnvironment(disk, { saved_entry: 'A', next_entry: 'B' });
      expect([...(await readGrubEnvironment(disk))]).to.deep.equal([
        ['saved_entry', 'A'],
        ['next_entry', 'B'],
      ]);
      await corruptGrubEnvironment(disk);
      const problem = await readGrubEnvironment(disk).then(
        () => 'none',
        error => String(error),
      );
      expect(problem).to.match(/grub-editenv/);
      await removeBootFile(disk, 'grubenv');
      expect(await readBootFile(disk, 'grubenv')).to.equal(undefined);
      await writeBootFile(disk, 'grubenv', 'new');
      expect(String(await readBootFile(disk, 'grubenv'))).to.equal('new');
      expect((await fsck(disk, 'boot')).clean).to.equal(true);
    });

    it('tells of a damaged file system', async () => {
      await flipBits(disk, 'rootA', 1024 + 0x60, 4);
      expect((await fsck(disk, 'rootA')).clean).to.equal(false);
      expect((await fsck(disk, 'persist')).clean).to.equal(true);
    });
  });
