import { expect } from 'chai';
import { cut, formatBytes, formatDuration, formatTable, wrap } from '../../src/cli/table.ts';

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
