import { expect } from 'chai';
import {
  cut,
  cutArrow,
  fitColumns,
  formatBytes,
  formatDuration,
  formatTable,
  wrap,
} from '../../src/cli/table.ts';

describe('formatBytes', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [256 * 2 ** 20, '256 MiB'],
    [1_858_076_672, '1.7 GiB'],
  ];
  for (const [bytes, want] of cases)
    it(`${bytes} is ${want}`, () => expect(formatBytes(bytes)).to.equal(want));
});

describe('formatDuration', () => {
  const cases: [number, string][] = [
    [-5, '0s'],
    [59_499, '59s'],
    [60_000, '1m00s'],
    [252_000, '4m12s'],
    [3_600_000, '1h00m'],
  ];
  for (const [ms, want] of cases) it(`${ms} ms are ${want}`, () => expect(formatDuration(ms)).to.equal(want));
});

describe('wrap', () => {
  it('breaks between words', () => expect(wrap('one two three', 7)).to.deep.equal(['one two', 'three']));
  it('breaks a word that is longer than a line', () =>
    expect(wrap('a sha256:0123456789', 6)).to.deep.equal(['a', 'sha256', ':01234', '56789']));
  it('says nothing about nothing', () => expect(wrap('', 10)).to.deep.equal([]));
  it('drops what would steer the terminal', () => expect(wrap('a\x1b[2Jb', 10)).to.deep.equal(['a [2Jb']));
});

describe('cut', () => {
  it('keeps what fits', () => expect(cut('abc', 3)).to.equal('abc'));
  it('shortens what does not', () => expect(cut('abcd', 3)).to.equal('ab…'));
  it('drops what would steer the terminal', () => expect(cut('a\x1b[31m\nb', 20)).to.equal('a [31m b'));
});

describe('formatTable', () => {
  it('aligns columns and leaves no blanks at the end', () =>
    expect(
      formatTable([
        ['A', 'LONGER', ''],
        ['abc', 'x', ''],
      ]),
    ).to.deep.equal(['A    LONGER', 'abc  x']));
});

describe('cutArrow', () => {
  const cases: [string, string, number, string][] = [
    ['KubeOS 1.0.0', 'KubeOS 1.0.1', 27, 'KubeOS 1.0.0 → KubeOS 1.0.1'],
    ['KubeOS 1.0.0', 'KubeOS 1.0.1', 26, 'KubeOS 1.0.0 → …1.0.1'],
    ['KubeOS 1.0.0-SP1', 'KubeOS 1.0.0-SP2', 30, 'KubeOS 1.0.0-SP1 → …SP2'],
    ['KubeOS 1.0.0-SP1', 'KubeOS 1.0.0-SP2', 15, 'KubeOS … → …SP2'],
    ['abcdefghij', 'klmnopqrst', 13, 'abcd… → klmn…'],
    ['v1', 'klmnopqrstuvw', 13, 'v1 → klmnopq…'],
  ];
  for (const [from, to, width, want] of cases)
    it(`${from}, ${to} in ${width}`, () => expect(cutArrow(from, to, width)).to.equal(want));
});

describe('fitColumns', () => {
  const row = ['x'.repeat(20), 'y'.repeat(40), 'z'.repeat(10)];
  it('leaves columns that fit', () => expect(fitColumns([row], 74, [0, 1])).to.deep.equal([20, 40, 10]));
  it('lets the widest give way', () => expect(fitColumns([row], 64, [0, 1])).to.deep.equal([20, 30, 10]));
  it('then all that are as wide', () => expect(fitColumns([row], 44, [0, 1])).to.deep.equal([15, 15, 10]));
  it('stops where nothing could be read', () =>
    expect(fitColumns([row], 1, [0, 1])).to.deep.equal([12, 12, 10]));
});
