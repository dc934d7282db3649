import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { expand, expandByLibrary } from '../../../src/agent/install/expand.ts';
import { detectPacking } from '../../../src/agent/install/image-format.ts';
import { reasonOf } from '../../../src/domain/errors.ts';

const execute = promisify(execFile);
const MIB = 1024 * 1024;

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function digestOf(source: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of source) hash.update(chunk);
  return hash.digest('hex');
}

describe('expanding', function () {
  this.timeout(20_000);
  let dir = '';
  let [raw, packed] = [Buffer.alloc(0), Buffer.alloc(0)];
  const pack = async (bytes: Buffer): Promise<Buffer> => {
    await writeFile(join(dir, 'raw'), bytes);
    await execute('zstd', ['-q', '-f', join(dir, 'raw')]);
    return readFile(join(dir, 'raw.zst'));
  };
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'expand-'));
    raw = Buffer.concat([randomBytes(MIB), Buffer.alloc(4 * MIB), randomBytes(100_001)]);
    const skippable = Buffer.from('5f2a4d1803000000010203', 'hex');
    packed = Buffer.concat([skippable, await pack(raw.subarray(0, MIB)), await pack(raw.subarray(MIB))]);
  });
  after(() => rm(dir, { recursive: true }));
  const wanted = () => createHash('sha256').update(raw).digest('hex');
  const ways = {
    'by the program': (source: AsyncIterator<Buffer>) => expand('zstd', source),
    'by the library': expandByLibrary,
  };

  for (const [way, expandIt] of Object.entries(ways)) {
    it(`gives the bytes of several frames, ${way}`, async () => {
      expect(await digestOf(expandIt(inChunks(packed, 70_000)))).to.equal(wanted());
    });

    for (const { what, broken } of [
      { what: 'a truncated file', broken: () => packed.subarray(0, packed.length - 50_000) },
      { what: 'garbage', broken: () => Buffer.concat([packed.subarray(0, 40), randomBytes(5000)]) },
    ]) {
      it(`refuses ${what}, ${way}`, async () => {
        const reason = await digestOf(expandIt(inChunks(broken(), 10_000))).then(() => 'nothing', reasonOf);
        expect(reason).to.equal('ImageInvalid');
      });
    }

    it(`passes on why the source ended, ${way}`, async () => {
      async function* failing() {
        yield packed.subarray(0, 30_000);
        throw new Error('gone');
      }
      expect(await digestOf(expandIt(failing())).catch((error: Error) => error.message)).to.equal('gone');
    });
  }

  it('takes the library where there is no program', async () => {
    const path = process.env.PATH;
    process.env.PATH = '/nowhere';
    try {
      expect(await digestOf(expand('zstd', inChunks(packed, 70_000)))).to.equal(wanted());
    } finally {
      process.env.PATH = path;
    }
  });

  it('ends the program when nobody wants its output', async () => {
    for await (const chunk of expand('zstd', inChunks(packed, 70_000))) {
      expect(chunk.length).to.be.greaterThan(0);
      break;
    }
  });

  it('goes by the bytes, not by a name', () => {
    expect(detectPacking(packed)).to.equal('zstd');
    expect(detectPacking(packed.subarray(11))).to.equal('zstd');
    expect(detectPacking(Buffer.alloc(512))).to.equal('plain');
    expect(detectPacking(Buffer.alloc(0))).to.equal('plain');
  });
});
