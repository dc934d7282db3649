import { expect } from 'chai';
import { startUBoot, type UBootVariables } from '../../env/node/uboot-firmware.ts';
import { buildUBoot } from './build.ts';
import { boardSample, promptLines, promptScreen } from './page.ts';
import { QemuBoard } from './qemu-board.ts';

const RUNS = (slot: string) => `kernel: running from slot ${slot}`;
const PROMPT = /^=> $/m;

describe('a real U-Boot, set up as docs/u-boot.md says', function () {
  this.timeout(300_000);
  let board: QemuBoard;
  let atFirst: readonly Buffer[];

  before(async () => {
    board = await QemuBoard.create(await buildUBoot(), await boardSample('counts'));
    atFirst = await board.host.bytes();
  });
  beforeEach(() => board.host.restore(atFirst));
  after(() => board?.host.remove());

  const uboot = () => board.host.bootLoader();
  const state = () => uboot().read();

  it('starts the default slot, and writes nothing', async () => {
    await uboot().assertTrialSupported();
    const before = await board.host.bytes();
    expect(await board.boot()).to.contain(RUNS('A'));
    expect(await board.host.changedCopies(before)).to.deep.equal([]);
    await uboot().settle('B');
    expect(await board.boot()).to.contain(RUNS('B'));
  });

  it('tries a slot once, and goes back by itself', async () => {
    await uboot().armTrial('B', 'A');
    expect(await state()).to.deep.equal({ defaultSlot: 'A', trialSlot: 'B' });
    expect(await board.boot()).to.contain(RUNS('B'));
    expect(await state()).to.deep.equal({ defaultSlot: 'A' });
    // The kernel has reset the board, as a panic does.
    const text = await board.boot();
    expect(text).to.contain('Bootlimit (1) exceeded. Using altbootcmd').and.to.contain(RUNS('A'));
    expect(await state()).to.deep.equal({ defaultSlot: 'A' });
    await uboot().settle('A');
    expect(await board.boot())
      .to.contain(RUNS('A'))
      .and.not.to.contain('altbootcmd');
  });

  it('keeps a slot that was confirmed', async () => {
    await uboot().armTrial('B', 'A');
    await board.boot();
    await uboot().settle('B');
    for (const _boot of [1, 2, 3]) expect(await board.boot()).to.contain(RUNS('B'));
    expect(await state()).to.deep.equal({ defaultSlot: 'B' });
  });

  it('goes back from a slot whose kernel cannot be loaded', async () => {
    await board.install('B', { hasKernel: false });
    await uboot().armTrial('B', 'A');
    expect(await board.boot()).not.to.contain('kernel: running');
    expect(await board.boot()).to.contain(RUNS('A'));
    await board.install('B');
  });

  it('goes by the copy that is whole after a write that was cut off', async () => {
    const before = await board.host.bytes();
    await uboot().armTrial('B', 'A');
    const [copy] = await board.host.changedCopies(before);
    await board.host.tear(copy === 0 ? 0 : 1, before, 60);
    expect(await board.boot()).to.contain(RUNS('A'));
    await uboot().armTrial('B', 'A');
    expect(await board.boot()).to.contain(RUNS('B'));
  });

  it('boots after a power cut at any moment of a trial: the new slot, or the old one if the boot was counted', async () => {
    for (const delayMs of [0, 0, 0, 1, 1, 2, 3, 4, 6, 8, 12, 16]) {
      await board.host.restore(atFirst);
      await uboot().armTrial('B', 'A');
      await board.cutAfter(delayMs);
      const { trialSlot, defaultSlot } = await state();
      expect(defaultSlot).to.equal('A');
      expect(await board.boot(), `cut after ${delayMs} ms`).to.contain(RUNS(trialSlot ?? defaultSlot));
    }
  });

  for (const slot of ['A', 'B'])
    it(`starts slot ${slot} by what the page says to type at its prompt, and keeps it`, async () => {
      await uboot().armTrial(slot === 'A' ? 'B' : 'A', slot === 'A' ? 'A' : 'B');
      await board.host.set({ bootdelay: '30' });
      const text = await board.sitAt(async line => {
        await line.untilSeen(/Hit any key to stop autoboot/);
        line.type(' ');
        await line.untilSeen(PROMPT);
        for (const command of await promptLines(slot)) {
          line.type(`${command}\r`);
          await line.untilSeen(command === 'boot' ? new RegExp(RUNS(slot)) : /=> $/, { from: line.mark });
        }
      });
      expect(text).to.contain(RUNS(slot));
      if (slot === 'A') expect(text).to.contain(await promptScreen());
      await board.host.set({ bootdelay: '0' });
      expect(await board.boot()).to.contain(RUNS(slot));
    });

  const trial = { boot_slot: 'B', boot_slot_fallback: 'A' };
  const CASES: readonly UBootVariables[] = [
    { boot_slot: 'B' },
    { ...trial, upgrade_available: '0', bootcount: '7' },
    { ...trial, upgrade_available: '1', bootcount: '0' },
    { ...trial, upgrade_available: '1' },
    { ...trial, upgrade_available: '1', bootcount: '1' },
    { ...trial, upgrade_available: '1', bootcount: '5' },
    { ...trial, upgrade_available: '1', bootcount: '1', bootlimit: '2' },
    { ...trial, upgrade_available: '1', bootcount: '9', bootlimit: '0' },
  ];
  for (const values of CASES)
    it(`does what our stand-in for it does: ${JSON.stringify(values)}`, async () => {
      await board.host.set(values);
      const expected = startUBoot(await board.host.variables());
      const text = await board.boot();
      expect(text).to.contain(RUNS(expected.slot));
      expect(text.includes('Using altbootcmd')).to.equal(expected.isAlternative);
      expect(await board.host.variables()).to.deep.equal({ ...expected.variables });
    });
});

describe('a real U-Boot that counts by the script of docs/u-boot.md', function () {
  this.timeout(300_000);
  // Names that are none of U-Boot's own, so that the count of this build stays out of it.
  const NAMES = { upgrade_available: 'trial_on', bootcount: 'trial_count', bootlimit: 'trial_limit' };
  const renamed = (text: string) =>
    Object.entries(NAMES).reduce((all, [name, other]) => all.replaceAll(name, other), text);
  let board: QemuBoard;

  before(async () => {
    const sample = Object.entries(await boardSample('does not count'));
    const variables = Object.fromEntries(sample.map(entry => entry.map(renamed)));
    board = await QemuBoard.create(await buildUBoot(), variables);
  });
  after(() => board?.host.remove());

  it('tries a slot once, goes back by itself, and keeps what was confirmed', async () => {
    const { upgrade_available: upgradeAvailable, bootcount: bootCount, bootlimit: bootLimit } = NAMES;
    const uboot = board.host.bootLoader({ variables: { upgradeAvailable, bootCount, bootLimit } });
    await uboot.assertTrialSupported();
    expect(await board.boot()).to.contain(RUNS('A'));
    await uboot.armTrial('B', 'A');
    expect(await board.boot()).to.contain(RUNS('B'));
    expect(await uboot.read()).to.deep.equal({ defaultSlot: 'A' });
    expect(await board.boot()).to.contain(RUNS('A'));
    expect(await uboot.read()).to.deep.equal({ defaultSlot: 'A' });
    await uboot.armTrial('B', 'A');
    await board.boot();
    await uboot.settle('B');
    for (const _boot of [1, 2]) expect(await board.boot()).to.contain(RUNS('B'));
    expect(await uboot.read()).to.deep.equal({ defaultSlot: 'B' });
  });
});
