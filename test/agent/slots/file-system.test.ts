import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { existsInside, readFileInside } from '../../../src/agent/slots/file-system.ts';
import { runProgram } from '../../env/node/run-program.ts';

const BLOCK = 4096;

describe('files of a slot that is not mounted', () => {
  let dir: string;
  let image: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'file-system-'));
    image = join(dir, 'slot.img');
    await runProgram('truncate', '-s', '16M', image);
    await runProgram('mkfs.ext4', '-q', '-b', `${BLOCK}`, '-O', 'has_journal,metadata_csum', image);
    await runProgram('debugfs', '-w', '-R', 'write /etc/hostname name', image);
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('are read where the power was cut before the bitmaps came from the journal into their place', async () => {
    const dump = await runProgram('dumpe2fs', image);
    const [, block] = /Block bitmap at (\d+)/.exec(dump) ?? [];
    const file = await open(image, 'r+');
    await file.write(Buffer.alloc(64, 0x5a), 0, 64, Number(block) * BLOCK + 64);
    await file.close();

    expect(await existsInside(image, '/name')).to.equal(true);
    expect(await existsInside(image, '/other')).to.equal(false);
    const text = await runProgram('cat', '/etc/hostname');
    expect(await readFileInside(image, '/name')).to.equal(text);
  });
});
