import { expect } from 'chai';
import fc from 'fast-check';
import { ContentHash } from '../../../../src/agent/install/tar/content-hash.ts';

/** Gives the bytes in pieces, and leaves out stretches of zeros where `isHole` says so. */
function hashOf(bytes: Buffer, pieces: readonly number[], isHole: (at: number) => boolean): string {
  const hash = new ContentHash();
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const piece = bytes.subarray(at, at + (pieces[turn % pieces.length] ?? 1));
    if (!(piece.every(byte => byte === 0) && isHole(turn))) hash.update(at, piece);
    at += piece.length;
  }
  return hash.digest(bytes.length);
}

describe('the hash of a file with holes', () => {
  const run = fc.record({ byte: fc.constantFrom(0, 0, 1, 255), length: fc.integer({ min: 1, max: 9000 }) });
  const content = fc
    .array(run, { maxLength: 8 })
    .map(runs => Buffer.concat(runs.map(({ byte, length }) => Buffer.alloc(length, byte))));
  const pieces = fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 5 });

  it('is the same however it comes, and whether zeros are a hole', () => {
    fc.assert(
      fc.property(content, pieces, pieces, (bytes, left, right) => {
        const whole = hashOf(bytes, [bytes.length || 1], () => false);
        expect(hashOf(bytes, left, turn => turn % 2 === 0)).to.equal(whole);
        expect(hashOf(bytes, right, () => true)).to.equal(whole);
      }),
    );
  });

  it('is another when a byte or the length is another', () => {
    fc.assert(
      fc.property(content, fc.nat(), (bytes, seed) => {
        const whole = hashOf(bytes, [4096], () => true);
        expect(hashOf(Buffer.concat([bytes, Buffer.alloc(1)]), [4096], () => true)).to.not.equal(whole);
        if (bytes.length === 0) return;
        const at = seed % bytes.length;
        const other = Buffer.from(bytes);
        other[at] = (other[at] ?? 0) ^ 1;
        expect(hashOf(other, [4096], () => true)).to.not.equal(whole);
      }),
    );
  });

  it('tells where content lies', () => {
    const [front, back] = [Buffer.alloc(16_384), Buffer.alloc(16_384)];
    front.fill(1, 0, 4096);
    back.fill(1, 8192, 12_288);
    expect(hashOf(front, [4096], () => true)).to.not.equal(hashOf(back, [4096], () => true));
  });
});
