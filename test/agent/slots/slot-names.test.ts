import { expect } from 'chai';
import {
  slotFromCommandLine,
  slotsFromLabels,
  slotsFromMap,
  slotsFromRoot,
} from '../../../src/agent/slots/slot-names.ts';

const two = (A: string, B: string) => ({ kind: 'two', paths: { A, B } });
const NONE = { kind: 'none' };

describe('slot names', () => {
  for (const { root, want } of [
    { root: 'sda2', want: two('/dev/sda2', '/dev/sda3') },
    { root: 'vda3', want: two('/dev/vda2', '/dev/vda3') },
    { root: 'nvme0n1p2', want: two('/dev/nvme0n1p2', '/dev/nvme0n1p3') },
    { root: 'nvme2n1p3', want: two('/dev/nvme2n1p2', '/dev/nvme2n1p3') },
    { root: 'mmcblk0p2', want: two('/dev/mmcblk0p2', '/dev/mmcblk0p3') },
    { root: 'sdaa3', want: two('/dev/sdaa2', '/dev/sdaa3') },
    { root: 'nvme2n1p1', want: NONE },
    { root: 'nvme0n2', want: NONE },
    { root: 'sda12', want: NONE },
    { root: 'sda23', want: NONE },
    { root: 'sda', want: NONE },
    { root: 'dm-2', want: NONE },
    { root: 'overlay', want: NONE },
  ]) {
    it(`of a system that runs from ${root}`, () => expect(slotsFromRoot(root)).to.deep.equal(want));
  }

  it('takes exactly A and B from a configuration', () => {
    expect(slotsFromMap({ B: '/b', A: '/a' })).to.deep.equal(two('/a', '/b'));
    for (const map of [{}, { A: '/a' }, { A: '/a', B: '/b', C: '/c' }, { a: '/a', b: '/b' }]) {
      expect(slotsFromMap(map).kind).to.equal('other');
    }
  });

  it('takes exactly ROOT-A and ROOT-B from labels', () => {
    expect(slotsFromLabels('/d', ['BOOT', 'ROOT-B', 'ROOT-A'])).to.deep.equal(two('/d/ROOT-A', '/d/ROOT-B'));
    expect(slotsFromLabels('/d', ['ROOT-A', 'ROOT-B', 'ROOT-C']).kind).to.equal('other');
    expect(slotsFromLabels('/d', ['ROOT-A']).kind).to.equal('other');
    expect(slotsFromLabels('/d', ['BOOT', 'PERSIST'])).to.deep.equal(NONE);
  });

  const paths = { A: '/slots/a.img', B: '/slots/b.img' };
  for (const { line, want } of [
    { line: 'quiet root=LABEL=ROOT-A ro\n', want: 'A' },
    { line: 'root=PARTLABEL=ROOT-B', want: 'B' },
    { line: 'root=/slots/b.img', want: 'B' },
    { line: 'root=LABEL=ROOT-A root=LABEL=ROOT-B', want: 'B' },
    { line: 'overlayroot=LABEL=ROOT-A', want: undefined },
    { line: 'root=LABEL=ROOT-AB', want: undefined },
    { line: '', want: undefined },
  ]) {
    it(`of the command line ${JSON.stringify(line)}`, () =>
      expect(slotFromCommandLine(line, paths)).to.equal(want));
  }
});
