import { join } from 'node:path';
import { expect } from 'chai';
import { typedUnder } from '../../docs/page-commands.ts';
import { makeTempDir, removeTempDir } from '../../env/cluster-temp-dir.ts';
import { needsRoot } from '../../env/needs-root.ts';
import { runProgram } from '../../env/node/run-program.ts';
import { grubFolder } from './grub-image.ts';
import type { DiskLayout } from './layout.ts';
import { readGrubEnvironment, removeBootFile, writeGrubEnvironment } from './offline.ts';
import { runUntilOff, type TinyDisks, tinyDisks } from './tiny-machine.ts';

const PAGE = 'docs/manual-fallback.md';
const HEADING = "GRUB's prompt";
const LIBRARY = '/usr/lib/grub/x86_64-efi';

/** Types each line of the page when GRUB has asked for it. */
function answersAt(prompt: string, lines: readonly string[]): { when: RegExp; type: string }[] {
  return lines.map((line, index) => ({
    when: new RegExp(`(\\n${prompt}[\\s\\S]*?){${index + 1}}`),
    type: `${line}\r`,
  }));
}

/** Where GRUB is a small one that looks for the rest of itself in a folder that is not there. */
async function loseFolder(disk: DiskLayout, dir: string): Promise<void> {
  const [loader, esp] = [join(dir, 'lost.efi'), `${disk.path}@@${disk.partitions.boot.offset}`];
  const where = ['-O', 'x86_64-efi', '-p', '/EFI/lost', '-o', loader];
  await runProgram('grub-mkimage', ...where, 'part_gpt', 'fat');
  await runProgram('mcopy', '-o', '-i', esp, loader, '::/EFI/BOOT/BOOTX64.EFI');
  const folder = `::${grubFolder('uefi')}/x86_64-efi`;
  await runProgram('mmd', '-i', esp, folder);
  await runProgram('sh', '-c', 'mcopy -i "$0" "$1"/*.mod "$1"/*.lst "$2"', esp, LIBRARY, folder);
}

describe(`${PAGE}, typed at GRUB's prompt`, function () {
  this.timeout(900_000);
  let dir: string;
  let disks: TinyDisks;
  before(async function () {
    dir = makeTempDir('prompt');
    needsRoot(this, 'making the system of a machine');
    disks = await tinyDisks(dir);
  });
  after(() => removeTempDir(dir));

  const lines = typedUnder(PAGE, HEADING, 'grub> ');
  const bootAt = lines.indexOf('boot') + 1;

  // With a BIOS the prompt would be on a screen: it is grub.cfg that names the serial line.
  it('boots a slot where there is no menu (UEFI)', async () => {
    const disk = await disks.make('uefi');
    await writeGrubEnvironment(disk, { saved_entry: 'B' });
    await removeBootFile(disk, 'grub.cfg');
    const answers = answersAt('grub> ', lines.slice(0, bootAt));
    const { text } = await runUntilOff(disk, dir, { answers });
    expect(text).to.match(/tiny system A runs from \/dev\/vda2/);
  });

  it('makes a slot the default (BIOS)', async () => {
    const disk = await disks.make('bios', { menuTimeout: 30 });
    await writeGrubEnvironment(disk, { saved_entry: 'B', next_entry: '' });
    const answers = [
      { when: /GNU GRUB[\s\S]*automatically/, type: 'c' },
      ...answersAt('grub> ', lines.slice(bootAt)),
      { when: /(GNU GRUB[\s\S]*?automatically[\s\S]*?){2}/, type: '\r' },
    ];
    const { text } = await runUntilOff(disk, dir, { answers });
    expect(text).to.match(/tiny system A runs from \/dev\/vda2/);
    expect(Object.fromEntries(await readGrubEnvironment(disk))).to.include({
      saved_entry: 'A',
      next_entry: '',
    });
  });

  it('finds the menu again from grub rescue (UEFI)', async () => {
    const disk = await disks.make('uefi');
    await loseFolder(disk, dir);
    const answers = answersAt('grub rescue> ', typedUnder(PAGE, HEADING, 'grub rescue> '));
    const { text } = await runUntilOff(disk, dir, { answers });
    expect(text).to.match(/tiny system A runs from \/dev\/vda2/);
  });
});
