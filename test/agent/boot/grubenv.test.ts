import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  decodeEnvironment,
  ENVIRONMENT_BYTES,
  encodeEnvironment,
  planWrites,
  SECTOR_BYTES,
  sectorsToWrite,
} from '../../../src/agent/boot/grubenv.ts';

const execute = promisify(execFile);
const editenv = async (...args: string[]): Promise<string> => (await execute('grub-editenv', args)).stdout;

const bytes = (text: string): Buffer => Buffer.from(text.padEnd(ENVIRONMENT_BYTES, '#'), 'latin1');
const name = fc.stringMatching(/^[a-z_]{1,12}$/);
const value = fc.string({ maxLength: 20, unit: 'grapheme-ascii' });
const environment = fc.array(fc.tuple(name, value), { maxLength: 8 }).map(pairs => new Map(pairs));
const BOOT_KEYS = ['saved_entry', 'next_entry', 'fallback'];

describe('grubenv', () => {
  let dir = '';
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'grubenv-'));
  });
  after(() => rm(dir, { recursive: true }));

  it('reads back whatever it wrote', () => {
    fc.assert(
      fc.property(environment, wanted => {
        const block = encodeEnvironment(wanted);
        expect(block?.length).to.equal(ENVIRONMENT_BYTES);
        const found = decodeEnvironment(block ?? Buffer.alloc(0));
        expect(new Set(found)).to.deep.equal(new Set(wanted));
      }),
    );
  });

  it('reads what grub-editenv wrote', async () => {
    const path = join(dir, 'theirs');
    await editenv(path, 'create');
    await editenv(path, 'set', 'saved_entry=KubeOS-A', 'odd=a\\b "c"', 'kernelopts=root=/dev/vda2 ro');
    expect(Object.fromEntries(decodeEnvironment(await readFile(path)) ?? [])).to.deep.equal({
      saved_entry: 'KubeOS-A',
      odd: 'a\\b "c"',
      kernelopts: 'root=/dev/vda2 ro',
    });
  });

  it('writes what grub-editenv reads and edits', async () => {
    const path = join(dir, 'ours');
    const written = new Map([
      ['odd', 'a\\b'],
      ['saved_entry', 'A'],
      ['long', 'x'.repeat(450)],
    ]);
    await writeFile(path, encodeEnvironment(written) ?? '');
    expect(await editenv(path, 'list')).to.equal(`saved_entry=A\nodd=a\\b\nlong=${'x'.repeat(450)}\n`);
    await editenv(path, 'set', 'next_entry=B');
    expect(decodeEnvironment(await readFile(path))?.get('next_entry')).to.equal('B');
  });

  for (const { what, block } of [
    { what: 'a short block', block: bytes('# GRUB Environment Block\n').subarray(0, 1000) },
    { what: 'a long block', block: Buffer.concat([bytes('# GRUB Environment Block\n'), Buffer.alloc(1)]) },
    { what: 'another header', block: bytes('# GRUB environment\n') },
    { what: 'zeros', block: Buffer.alloc(ENVIRONMENT_BYTES) },
  ]) {
    it(`refuses ${what}`, () => expect(decodeEnvironment(block)).to.equal(undefined));
  }

  it('changes the boot keys within the first sector, once they stand first', () => {
    const first =
      encodeEnvironment(
        new Map([
          ['saved_entry', 'A'],
          ['big', 'y'.repeat(480)],
        ]),
      ) ?? Buffer.alloc(0);
    const [block, ...more] =
      planWrites(
        first,
        new Map([
          ['next_entry', 'B'],
          ['fallback', '0'],
        ]),
      ) ?? [];
    expect(more).to.deep.equal([]);
    expect(block?.subarray(SECTOR_BYTES).equals(first.subarray(SECTOR_BYTES))).to.equal(true);
    expect(decodeEnvironment(block ?? first)?.get('next_entry')).to.equal('B');
  });

  it('writes nothing when nothing changes', () => {
    const block = encodeEnvironment(new Map([['saved_entry', 'A']])) ?? Buffer.alloc(0);
    expect(planWrites(block, new Map([['saved_entry', 'A']]))).to.deep.equal([]);
  });

  it('says that there is no room', () => {
    const full = encodeEnvironment(new Map([['a', 'z'.repeat(480)]])) ?? Buffer.alloc(0);
    expect(planWrites(full, new Map([['b', 'z'.repeat(480)]]))).to.equal(undefined);
  });

  it('leaves the boot keys whole, old or new, wherever power fails between two sectors', () => {
    const wanted = new Map([
      ['next_entry', 'B'],
      ['fallback', '0'],
    ]);
    let armed = 0;
    for (let filler = 400; filler < 520; filler++) {
      for (const rest of ['', `z=${'z'.repeat(60)}\n`]) {
        const text = `k=${'x'.repeat(filler)}\nsaved_entry=KubeOS-B\nnext_entry=\n${rest}`;
        const start = bytes(`# GRUB Environment Block\n${text}`);
        const writes = planWrites(start, wanted) ?? [];
        armed += writes.length > 0 ? 1 : 0;
        for (const disk of tornStates(start, writes)) {
          const found = decodeEnvironment(disk);
          const keys = BOOT_KEYS.map(key => found?.get(key) ?? '').join();
          expect(['KubeOS-B,,', 'KubeOS-B,B,0'], `filler ${filler}`).to.include(keys);
        }
      }
    }
    expect(armed).to.be.greaterThan(100);
  });
});

/** What the disk holds after each flushed sector, in the order of the writer. */
function tornStates(start: Buffer, writes: Buffer[]): Buffer[] {
  const states = [start];
  let disk = start;
  for (const block of writes) {
    for (const { at, bytes: sector } of sectorsToWrite(disk, block)) {
      disk = Buffer.from(disk);
      sector.copy(disk, at);
      states.push(disk);
    }
  }
  return states;
}
