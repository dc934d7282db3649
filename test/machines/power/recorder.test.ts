import { expect } from 'chai';
import type { DiskLayout } from '../disk/layout.ts';
import { placeOf } from './moments.ts';
import { phasesOf, revisionAt, type Timeline } from './recorder.ts';
import type { LogEntry, WriteLog } from './write-log.ts';

const timeline: Timeline = {
  boots: [],
  changes: [
    { entries: 5, revision: '10' },
    { entries: 7, revision: '11', plan: { name: 'one', phase: 'Downloading' } },
    { entries: 7, revision: '12', plan: { name: 'one', phase: 'Downloading' } },
    { entries: 9, revision: '13', plan: { name: 'other', phase: 'Staged' } },
    { entries: 20, revision: '14', plan: { name: 'one', phase: 'Installing' } },
  ],
};

describe('a recording', () => {
  it('tells what the API server knew when the disk had got so far, and nothing newer', () => {
    const revisions = [0, 5, 6, 7, 8, 19, 20, 99].map(entries => revisionAt(timeline, entries));
    expect(revisions).to.deep.equal(['10', '10', '10', '12', '12', '13', '14', '14']);
  });

  it('tells where the phases of a plan begin', () => {
    expect(phasesOf(timeline, 'one')).to.deep.equal([
      { phase: 'Downloading', entries: 7 },
      { phase: 'Installing', entries: 20 },
    ]);
  });

  it('tells what was written', () => {
    const data = new Map<number, string>([
      [1, '# GRUB Environment Block\nsaved_entry=A\n'],
      [2, `${' '.repeat(4096)}{"progress":{"name":"x"`],
      [3, '{"uid":"x"'],
      [4, '"B"\0'],
    ]);
    const partition = (index: number) => ({ offset: index * 100_000, size: 100_000 });
    const disk: DiskLayout = {
      ...{ path: '', firmware: 'uefi' },
      partitions: { boot: partition(1), rootA: partition(2), rootB: partition(3), persist: partition(4) },
    };
    const log: WriteLog = {
      ...{ entries: [], advance: () => 0, close: () => undefined },
      read: ({ dataAt }) => Buffer.from(data.get(dataAt) ?? 'something else'),
    };
    const at = (offset: number, dataAt = 0, kind: LogEntry['kind'] = 'write') =>
      placeOf({ kind, offset, length: 8192, dataAt }, { log, disk, slot: 'B' });
    expect(at(0)).to.equal('partition table');
    expect([at(100_000), at(100_512, 1)]).to.deep.equal(['boot partition', 'environment']);
    expect([at(200_000), at(300_000), at(304_096)]).to.deep.equal([
      'running slot',
      'superblock of the slot',
      'slot',
    ]);
    expect([0, 2, 3, 4].map(dataAt => at(400_000, dataAt))).to.deep.equal([
      'PERSIST',
      'trial record',
      'marker',
      'default slot',
    ]);
    expect(at(0, 0, 'flush')).to.equal('flush');
  });
});
