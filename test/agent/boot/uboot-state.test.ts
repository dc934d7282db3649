import { expect } from 'chai';
import { UBootSettings } from '../../../src/agent/boot/boot-loader-settings.ts';
import { parseFwConfig } from '../../../src/agent/boot/uboot-fw-config.ts';
import { lacksForTrial, readState, rootByUuid } from '../../../src/agent/boot/uboot-state.ts';

const SETTINGS = UBootSettings.parse({ type: 'u-boot' });
const map = (values: Record<string, string>) => new Map(Object.entries(values));
const trial = { boot_slot: 'B', boot_slot_fallback: 'A', upgrade_available: '1', bootlimit: '1' };
const A_AGAIN = { defaultSlot: 'A', trialSlot: 'A' };

describe("what U-Boot's variables mean", () => {
  for (const [name, values, want] of [
    ['nothing counted', { boot_slot: 'B' }, { defaultSlot: 'B' }],
    ['counting switched off', { ...trial, upgrade_available: '0', bootcount: '7' }, { defaultSlot: 'B' }],
    ['armed', { ...trial, bootcount: '0' }, { defaultSlot: 'A', trialSlot: 'B' }],
    ['armed, with no count yet', trial, { defaultSlot: 'A', trialSlot: 'B' }],
    ['on trial', { ...trial, bootcount: '1' }, { defaultSlot: 'A' }],
    ['fallen back, nothing saved', { ...trial, bootcount: '2' }, A_AGAIN],
    ['fallen back by toggling', { ...trial, boot_slot: 'A', bootcount: '0' }, A_AGAIN],
    [
      'armed by another hand',
      { boot_slot: 'A', upgrade_available: '1', bootlimit: '1' },
      { defaultSlot: 'B', trialSlot: 'A' },
    ],
    ['no limit: U-Boot does not look at the count', { ...trial, bootlimit: '0' }, { defaultSlot: 'B' }],
    ['no slot', {}, { variable: 'boot_slot', value: '' }],
    ['a foreign slot', { boot_slot: 'C' }, { variable: 'boot_slot', value: 'C' }],
    [
      'a foreign fallback',
      { ...trial, boot_slot_fallback: 'C' },
      { variable: 'boot_slot_fallback', value: 'C' },
    ],
  ] as const) {
    it(name, () => expect(readState(map(values), SETTINGS)).to.deep.equal(want));
  }

  it('under names and values of the board', () => {
    const settings = UBootSettings.parse({
      type: 'u-boot',
      variables: { slot: 'bootpart', fallback: 'bootpart_old', bootCount: 'tries' },
      values: { A: '2', B: '3' },
    });
    const values = { bootpart: '3', bootpart_old: '2', upgrade_available: '1', bootlimit: '1', tries: '1' };
    expect(readState(map(values), settings)).to.deep.equal({ defaultSlot: 'A' });
  });
});

describe('what an environment lacks for a trial', () => {
  const good = { bootcmd: 'run a; reset', altbootcmd: 'saveenv; run bootcmd', bootlimit: '1' };
  for (const [name, values, count] of [
    ['nothing', good, 0],
    ['bootcmd', { ...good, bootcmd: '' }, 2],
    ['reset at the end of bootcmd', { ...good, bootcmd: 'reset; run a' }, 2],
    ['reset at the end of what altbootcmd runs', { ...good, altbootcmd: 'run c', c: 'echo reset' }, 1],
    ['altbootcmd', { bootcmd: 'reset', bootlimit: '1' }, 1],
    ['a limit', { ...good, bootlimit: '' }, 1],
    ['a limit of one boot', { ...good, bootlimit: '3' }, 1],
    ['an end: it runs itself', { ...good, altbootcmd: 'run altbootcmd' }, 1],
  ] as const) {
    it(name, () => {
      const set = Object.entries(values).filter(([, value]) => value !== '');
      expect(lacksForTrial(new Map(set), SETTINGS)).to.have.length(count);
    });
  }

  it('a root found by the UUID of a file system is seen, one that U-Boot asks for is not', () => {
    expect(rootByUuid(map({ bootargs: 'quiet root=UUID=0a1b-22 ro' }))).to.equal('bootargs');
    expect(rootByUuid(map({ a: 'root=PARTUUID=0a1b-02', b: 'setenv bootargs root=UUID=$uuid' }))).to.equal(
      undefined,
    );
  });
});

describe('fw_env.config', () => {
  it('names two copies, by whatever form of number', () => {
    const text = '# device offset size\n\n/dev/mtd1 0x0000 0x4000 0x4000 1\n/dev/mtd1 16384 4000 0x4000\n';
    expect(parseFwConfig(text)).to.deep.equal([
      { path: '/dev/mtd1', offset: 0, bytes: 0x4000, rest: ' 0x4000 1' },
      { path: '/dev/mtd1', offset: 16384, bytes: 0x4000, rest: ' 0x4000' },
    ]);
    expect(parseFwConfig('/dev/mmcblk0 -0x8000 0x4000\n/dev/mmcblk0 -0x4000 0x4000')).to.have.length(2);
  });
  for (const [name, text] of [
    ['nothing', '# nothing\n'],
    ['one copy', '/boot/uboot.env 0 0x4000\n'],
    ['three copies', '/a 0 1000\n/b 0 1000\n/c 0 1000\n'],
    ['copies that overlap', '/dev/mmcblk0 0x0 0x4000\n/dev/mmcblk0 0x2000 0x4000\n'],
    ['copies of two sizes', '/a 0 0x4000\n/b 0 0x2000\n'],
    ['something else', 'uboot:\n  size: 0x4000\n'],
  ] as const) {
    it(`that names ${name} is refused`, () => expect(parseFwConfig(text)).to.be.a('string'));
  }
});
