import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeTempDir, removeTempDir } from '../../env/cluster-temp-dir.ts';
import { createRandom } from '../campaign/run-case.ts';
import type { DiskLayout } from '../disk/layout.ts';
import { createReplayer } from './replay.ts';
import { firstUncertain, survivors } from './survivors.ts';
import { openWriteLog } from './write-log.ts';

const [FLUSH, FUA, DISCARD] = [1, 2, 4];

function entry(sector: number, sectors: number, flags: number, fill = 0): Buffer {
  const head = Buffer.alloc(512);
  for (const [index, value] of [sector, sectors, flags].entries())
    head.writeBigUInt64LE(BigInt(value), index * 8);
  return Buffer.concat([head, Buffer.alloc(flags & DISCARD ? 0 : sectors * 512, fill)]);
}

describe('the log of a disk', () => {
  let dir: string;
  const path = (): string => join(dir, 'log');
  const write = (...parts: Buffer[]): void =>
    writeFileSync(path(), Buffer.concat([Buffer.alloc(512), ...parts]));

  beforeEach(() => {
    dir = makeTempDir('write-log');
  });
  afterEach(() => removeTempDir(dir));

  it('tells writes, flushes and discards', () => {
    write(entry(8, 2, 0, 0x11), entry(0, 0, FLUSH), entry(4, 100, DISCARD), entry(1, 1, FUA, 0x22));
    const log = openWriteLog(path());
    expect(log.advance()).to.equal(5);
    expect(log.entries.map(({ kind, offset, length }) => [kind, offset, length])).to.deep.equal([
      ['write', 4096, 1024],
      ['flush', 0, 0],
      ['discard', 2048, 51_200],
      ['write', 512, 512],
      ['flush', 0, 0],
    ]);
    const [first] = log.entries;
    expect(first && log.read(first)).to.deep.equal(Buffer.alloc(1024, 0x11));
    log.close();
  });

  it('takes an entry only when all of it is there', () => {
    write(entry(8, 2, 0, 0x11).subarray(0, 1024));
    const log = openWriteLog(path());
    expect(log.advance()).to.equal(0);
    appendFileSync(path(), Buffer.alloc(512, 0x11));
    expect(log.advance()).to.equal(1);
    appendFileSync(path(), Buffer.alloc(512));
    expect(log.advance(), 'a sector that is still empty').to.equal(1);
    log.close();
  });

  it('refuses what is no log', () => {
    write(Buffer.alloc(512, 0xee));
    const log = openWriteLog(path());
    expect(() => log.advance()).to.throw('flags');
    log.close();
  });

  describe('replayed', () => {
    const base = (): DiskLayout => {
      const partition = { offset: 0, size: 0 };
      const partitions = { boot: partition, rootA: partition, rootB: partition, persist: partition };
      writeFileSync(join(dir, 'base'), Buffer.alloc(8192, 0xff));
      return { path: join(dir, 'base'), firmware: 'uefi', partitions };
    };
    const sectorsOf = (disk: DiskLayout): number[] =>
      Array.from(readFileSync(disk.path)).filter((_, at) => at % 512 === 0);

    it('keeps all that was flushed', async () => {
      write(entry(0, 1, 0, 1), entry(1, 1, 0, 2), entry(0, 0, FLUSH), entry(2, 1, 0, 3), entry(3, 1, 0, 4));
      const log = openWriteLog(path());
      log.advance();
      const replayer = createReplayer(log, base(), join(dir, 'work'));
      for (let seed = 1; seed < 20; seed += 1) {
        const disk = await replayer.build(5, createRandom(`${seed}`), join(dir, 'cut'));
        const [first, second, third, fourth, ...rest] = sectorsOf(disk);
        expect([first, second]).to.deep.equal([1, 2]);
        expect([third, fourth]).to.satisfy((pair: number[]) => pair[0] !== 0 && pair[1] !== 0);
        expect(rest.every(byte => byte === 0xff)).to.equal(true);
      }
      const early = await replayer.build(1, () => 0, join(dir, 'early'));
      expect(sectorsOf(early)[1], 'an earlier cut than before').to.equal(0xff);
      log.close();
    });

    it('keeps any of what was not flushed, and tears the last one at a sector', () => {
      write(entry(9, 1, 0, 9), entry(0, 0, FLUSH), entry(0, 1, 0, 1), entry(1, 1, 0, 2), entry(2, 4, 0, 3));
      const log = openWriteLog(path());
      log.advance();
      expect(firstUncertain(log.entries, 2)).to.equal(2);
      expect(firstUncertain(log.entries, 1), 'cut before the flush').to.equal(0);
      const seen = new Set<string>();
      for (let seed = 1; seed < 200; seed += 1) {
        const kept = survivors(log.entries, 5, createRandom(`${seed}`));
        seen.add(kept.map(({ entry: { offset }, to }) => `${offset / 512}:${to / 512}`).join(' '));
      }
      const whole = ['', '0:1', '1:1', '0:1 1:1'];
      const torn = ['', '2:1', '2:2', '2:3', '2:4'];
      const all = whole.flatMap(first => torn.map(second => [first, second].filter(Boolean).join(' ')));
      expect([...seen].toSorted()).to.deep.equal(all.toSorted());
      log.close();
    });

    it('leaves the same disk for the same seed', () => {
      write(...Array.from({ length: 20 }, (_, index) => entry(index, 1, 0, index + 1)));
      const log = openWriteLog(path());
      log.advance();
      const [one, again, other] = ['a', 'a', 'b'].map(seed => survivors(log.entries, 20, createRandom(seed)));
      expect(again).to.deep.equal(one);
      expect(other).not.to.deep.equal(one);
      log.close();
    });
  });
});
