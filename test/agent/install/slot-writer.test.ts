import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createSlotWriter } from '../../../src/agent/install/slot-writer.ts';
import { reasonOf } from '../../../src/domain/errors.ts';
import { buildImage } from '../../env/images.ts';

const MIB = 1024 * 1024;

describe('slot writer', () => {
  let [dir, slot, image] = ['', '', Buffer.alloc(0)];
  before(async () => {
    image = await readFile((await buildImage({ version: 'v1.0.0', sizeMiB: 8, fillMiB: 1 })).path);
  });
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'writer-'));
    slot = join(dir, 'slot');
    await writeFile(slot, Buffer.alloc(MIB, 0x55));
    await truncate(slot, 8 * MIB);
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('destroys the old superblock before anything else, and withholds the first bytes to the end', async () => {
    const handle = await open(slot, 'r+');
    const order: string[] = [];
    const write = handle.write.bind(handle);
    const sync = handle.sync.bind(handle);
    Object.assign(handle, {
      write: (buffer: Buffer, offset: number, length: number, position: number) => {
        order.push(`write ${position} ${length}`);
        return write(buffer, offset, length, position);
      },
      sync: () => {
        order.push('sync');
        return sync();
      },
    });
    const writer = createSlotWriter(handle, 8 * MIB);
    await writer.write(image.subarray(0, 4 * MIB));
    await writer.write(image.subarray(4 * MIB));
    await writer.flush();
    expect((await readFile(slot)).subarray(0, 4096).every(byte => byte === 0)).to.equal(true);
    await writer.reveal('ROOT-A');
    await handle.close();
    expect(order).to.deep.equal([
      'write 0 4096',
      'sync',
      `write 65536 ${4 * MIB - 65_536}`,
      `write ${4 * MIB} ${4 * MIB}`,
      'sync',
      // The sector that says "here is a file system, and this is its name" comes last and alone.
      'write 0 1024',
      'write 1536 64000',
      'sync',
      'write 1024 512',
      'sync',
    ]);
  });

  it('writes whole pages past the page cache, the rest through it, and tells what has been flushed', async () => {
    const [handle, unbuffered] = [await open(slot, 'r+'), await open(slot, 'r+')];
    const past: unknown[] = [];
    const write = unbuffered.write.bind(unbuffered);
    Object.assign(unbuffered, {
      write: (buffer: Buffer, offset: number, length: number, position: number) => {
        past.push([position, length]);
        return write(buffer, offset, length, position);
      },
    });
    const ends: number[] = [];
    const writer = createSlotWriter(handle, 8 * MIB, { unbuffered, onFlushed: end => ends.push(end) });
    await writer.write(image.subarray(0, 4 * MIB));
    await writer.write(image.subarray(4 * MIB, 5 * MIB + 512));
    await writer.flush();
    await Promise.all([handle.close(), unbuffered.close()]);
    expect(past).to.deep.equal([[65_536, 4 * MIB - 65_536]]);
    expect(ends).to.deep.equal([5 * MIB + 512]);
    const written = (await readFile(slot)).subarray(65_536, 5 * MIB + 512);
    expect(written.equals(image.subarray(65_536, 5 * MIB + 512))).to.equal(true);
  });

  it('names the system’s word when a write fails', async () => {
    const handle = await open(slot, 'r+');
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    Object.assign(handle, { write: () => Promise.reject(full) });
    const error = await createSlotWriter(handle, 8 * MIB)
      .write(image.subarray(0, MIB))
      .catch((e: unknown) => e);
    await handle.close();
    expect(reasonOf(error)).to.equal('SlotWriteFailed');
    expect(String(error)).to.contain('ENOSPC');
  });

  it('reports a write that failed in the background', async () => {
    const handle = await open(slot, 'r+');
    const writer = createSlotWriter(handle, 8 * MIB);
    await writer.write(image.subarray(0, MIB));
    Object.assign(handle, { write: () => Promise.reject(Object.assign(new Error(''), { code: 'EIO' })) });
    await writer.write(image.subarray(MIB, 2 * MIB));
    expect(await writer.flush().then(() => 'nothing', reasonOf)).to.equal('SlotWriteFailed');
    await handle.close();
  });
});
