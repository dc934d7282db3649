import { copyFile, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { crc32c } from '../../../src/agent/install/crc32c.ts';
import {
  parseSuperblock,
  SUPERBLOCK_BYTES,
  SUPERBLOCK_OFFSET,
  withLabel,
} from '../../../src/agent/install/ext4-superblock.ts';
import { buildImage, makeFileSystem } from '../../env/images.ts';
import { runProgram } from '../../env/node/run-program.ts';

const MIB = 1024 * 1024;

describe('ext4 superblock', () => {
  let dir = '';
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'superblock-'));
  });
  after(() => rm(dir, { recursive: true }));

  const readFrom = async (path: string): Promise<Buffer> => {
    const handle = await open(path, 'r');
    try {
      const buffer = Buffer.alloc(SUPERBLOCK_BYTES);
      await handle.read(buffer, 0, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET);
      return buffer;
    } finally {
      await handle.close();
    }
  };

  it('has the checksum of the standard for CRC-32C, save for the last inversion', () => {
    expect((crc32c(Buffer.from('123456789')) ^ 0xffffffff) >>> 0).to.equal(0xe3069283);
  });

  for (const metadataChecksums of [true, false]) {
    it(`relabels so that e2fsck finds nothing, metadata checksums ${metadataChecksums}`, async () => {
      const image = await buildImage({ version: 'v1.0.0', sizeMiB: 8, fillMiB: 1, metadataChecksums });
      const path = join(dir, `relabelled-${metadataChecksums}`);
      await copyFile(image.path, path);
      const handle = await open(path, 'r+');
      await handle.write(withLabel(await readFrom(path), 'ROOT-B'), 0, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET);
      await handle.close();
      await runProgram('e2fsck', '-fn', path);
      expect(await runProgram('dumpe2fs', '-h', path)).to.match(/volume name:\s+ROOT-B$/m);
      expect(parseSuperblock(await readFrom(path))).to.deep.equal({ sizeBytes: 8 * MIB, label: 'ROOT-B' });
    });
  }

  it('reads size and label of what mkfs made', async () => {
    const path = join(dir, 'fresh');
    await makeFileSystem(path, { sizeMiB: 300, label: 'sixteen-bytes-ok' });
    const facts = parseSuperblock(await readFrom(path));
    expect(facts).to.deep.equal({ sizeBytes: 300 * MIB, label: 'sixteen-bytes-ok' });
  });

  it('knows what is none', () => {
    expect(parseSuperblock(Buffer.alloc(SUPERBLOCK_BYTES))).to.equal(undefined);
    expect(parseSuperblock(Buffer.alloc(10))).to.equal(undefined);
  });
});
