import { expect } from 'chai';
import { openBlockReader } from '../../../src/agent/install/block-reader.ts';
import { BLOCK_BYTES } from '../../../src/agent/install/blocks.ts';

describe('block reader', () => {
  const numbered = (count: number): Buffer => {
    const bytes = Buffer.alloc(count);
    for (let at = 0; at < count; at += 4) bytes.writeUInt32LE(at, at);
    return bytes;
  };

  for (const { what, bytes, lengths } of [
    { what: 'nothing', bytes: 0, lengths: [] },
    { what: 'less than a block', bytes: 1000, lengths: [1000] },
    { what: 'exactly two blocks', bytes: 2 * BLOCK_BYTES, lengths: [BLOCK_BYTES, BLOCK_BYTES] },
    {
      what: 'more blocks than there are buffers',
      bytes: 5 * BLOCK_BYTES + 8,
      lengths: [...Array.from({ length: 5 }, () => BLOCK_BYTES), 8],
    },
  ]) {
    it(`gives ${what} in blocks, each still whole while the next is looked at`, async () => {
      const wanted = numbered(bytes);
      const reader = await openBlockReader();
      reader.programsEnd.end(wanted);
      const got: number[] = [];
      let at = 0;
      let before: Buffer = Buffer.alloc(0);
      for await (const block of reader.blocks()) {
        // Lets everything come that there is room for.
        for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
        expect(before.equals(wanted.subarray(at - before.length, at))).to.equal(true);
        expect(block.equals(wanted.subarray(at, at + block.length))).to.equal(true);
        [at, before] = [at + block.length, block];
        got.push(block.length);
      }
      expect(got).to.deep.equal(lengths);
      reader.destroy();
    });
  }

  it('ends when the program’s end breaks', async () => {
    const reader = await openBlockReader();
    reader.programsEnd.destroy();
    for await (const block of reader.blocks()) expect.fail(`${block.length} bytes`);
  });
});
