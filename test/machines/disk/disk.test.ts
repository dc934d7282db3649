import { expect } from 'chai';
import { makeTempDir, removeTempDir } from '../../env/cluster-temp-dir.ts';
import { needsRoot } from '../../env/needs-root.ts';
import {
  fsck,
  readGrubEnvironment,
  readPersistFile,
  removeSlotFile,
  writeGrubEnvironment,
  writeSlotFile,
} from './offline.ts';
import { hasJournalToReplay } from './replay-journal.ts';
import { runUntilOff, type TinyDisks, tinyDisks } from './tiny-machine.ts';

describe('a disk boots', function () {
  this.timeout(900_000);
  let dir: string;
  let disks: TinyDisks;
  before(async function () {
    dir = makeTempDir('tiny');
    needsRoot(this, 'making the system of a machine');
    disks = await tinyDisks(dir);
  });
  after(() => removeTempDir(dir));

  for (const firmware of ['uefi', 'bios'] as const) {
    describe(firmware, () => {
      it('slot A without any word in the environment, and B once when it is told to', async () => {
        const disk = await disks.make(firmware);
        expect((await runUntilOff(disk, dir)).text).to.match(/tiny system A runs from \/dev\/vda2/);

        await writeGrubEnvironment(disk, { saved_entry: 'A', next_entry: 'B' });
        const trial = await runUntilOff(disk, dir);
        expect(trial.text).to.match(/tiny system B runs from \/dev\/vda3/);
        expect(Object.fromEntries(await readGrubEnvironment(disk))).to.deep.equal({
          saved_entry: 'A',
          next_entry: '',
        });
        expect((await runUntilOff(disk, dir)).text).to.match(/tiny system A runs from \/dev\/vda2/);
      });

      it('the saved entry, by its id too', async () => {
        const disk = await disks.make(firmware);
        await writeGrubEnvironment(disk, { saved_entry: 'KubeOS-B' });
        expect((await runUntilOff(disk, dir)).text).to.match(/tiny system B runs from \/dev\/vda3/);
      });

      it('the fallback when the kernel of the entry is missing', async () => {
        const disk = await disks.make(firmware);
        await writeGrubEnvironment(disk, { saved_entry: 'A', next_entry: 'B', fallback: '0' });
        await removeSlotFile(disk, 'B', '/boot/vmlinuz');
        const { text, boots } = await runUntilOff(disk, dir);
        expect(text).to.match(/tiny system A runs from \/dev\/vda2/);
        expect(boots).to.equal(1);
      });

      it('and shows afterwards what its system wrote, though it did not unmount', async () => {
        const disk = await disks.make(firmware);
        await writeSlotFile(disk, 'A', '/write', '');
        await runUntilOff(disk, dir);
        expect(await hasJournalToReplay(disk, 'persist')).to.equal(true);
        expect(await readPersistFile(disk, '/etc/written')).to.equal('A\n');
        expect((await fsck(disk, 'persist')).clean).to.equal(true);
      });

      it('what a person chooses in the menu on the serial line', async () => {
        const disk = await disks.make(firmware, { menuTimeout: 30 });
        const answers = [{ when: /GNU GRUB +version[\s\S]*B {10}/, type: '\u001b[B\r' }];
        const { text } = await runUntilOff(disk, dir, { answers });
        expect(text).to.match(/tiny system B runs from \/dev\/vda3/);
      });
    });
  }
});
