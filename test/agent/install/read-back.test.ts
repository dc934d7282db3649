import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createFingerprint } from '../../../src/agent/install/fingerprint.ts';
import { createReadBack } from '../../../src/agent/install/read-back.ts';
import { openUnbuffered } from '../../../src/agent/install/unbuffered.ts';
import { reasonOf } from '../../../src/domain/errors.ts';
import { recordingLog } from '../host/recording-log.ts';

const MIB = 1024 * 1024;

describe('reading back', () => {
  const image = randomBytes(3 * MIB + 1000);
  const parts = [
    { start: 65_536, end: MIB },
    { start: MIB, end: 2 * MIB },
    { start: 2 * MIB, end: image.length },
  ];
  let [dir, handle]: [string, FileHandle | undefined] = ['', undefined];
  let ends: number[] = [];
  const abort = new AbortController();

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'read-back-'));
    handle = await open(join(dir, 'slot'), 'w+');
    await handle.write(image);
    await handle.sync();
    ends = [];
  });
  afterEach(async () => {
    await handle?.close();
    await rm(dir, { recursive: true });
  });

  const start = (reader: FileHandle | undefined) => {
    if (reader === undefined) throw new Error('no file');
    const readBack = createReadBack({ handle: reader, signal: abort.signal, onBytes: end => ends.push(end) });
    for (const part of parts) readBack.expect(image.subarray(part.start, part.end), part.start);
    return readBack;
  };
  const outcome = (work: Promise<void>) => work.then(() => 'nothing', reasonOf);

  it('finds everything as it was written, past the page cache too', async () => {
    const unbuffered = await openUnbuffered(join(dir, 'slot'), recordingLog().log);
    const readBack = start(unbuffered ?? handle);
    readBack.flushed(image.length);
    expect(await outcome(readBack.settled())).to.equal('nothing');
    await unbuffered?.close();
    expect(ends).to.deep.equal(parts.map(({ end }) => end));
  });

  it('looks only at what was flushed', async () => {
    const readBack = start(handle);
    readBack.flushed(2 * MIB - 1);
    await readBack.settled();
    expect(ends).to.deep.equal([MIB]);
    readBack.flushed(2 * MIB);
    await readBack.settled();
    expect(ends).to.deep.equal([MIB, 2 * MIB]);
  });

  for (const at of [65_536, 2 * MIB - 1, image.length - 1]) {
    it(`finds the one bit that is wrong at byte ${at}`, async () => {
      await handle?.write(Buffer.from([(image[at] ?? 0) ^ 1]), 0, 1, at);
      const readBack = start(handle);
      readBack.flushed(image.length);
      expect(await outcome(readBack.settled())).to.equal('ReadBackMismatch');
    });
  }

  it('finds two blocks that lie in each other’s place', () => {
    const fingerprint = createFingerprint();
    const block = image.subarray(0, 4096);
    expect(fingerprint(block, 0).equals(fingerprint(block, 0))).to.equal(true);
    expect(fingerprint(block, 0).equals(fingerprint(block, 4096))).to.equal(false);
  });

  it('says that the slot cannot be read when it ends too early', async () => {
    await handle?.truncate(2 * MIB);
    const readBack = start(handle);
    readBack.flushed(image.length);
    expect(await outcome(readBack.settled())).to.equal('ReadBackMismatch');
  });
});
