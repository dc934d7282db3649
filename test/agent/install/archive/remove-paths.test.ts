import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { removePaths } from '../../../../src/agent/install/archive/remove-paths.ts';
import { reasonOf } from '../../../../src/domain/errors.ts';

describe('removing what a layer hides', () => {
  let dir = '';
  const { signal } = new AbortController();

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'remove-paths-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('removes by name, whatever bytes it has, and nothing else', async () => {
    const names = ['-rf', 'a\nb', ' ', "'", 'folder', '\u00ff'];
    await mkdir(join(dir, 'folder/deep'), { recursive: true });
    for (const name of ['b', 'stays']) await writeFile(join(dir, name), '');
    for (const name of names.filter(name => name !== 'folder'))
      await writeFile(Buffer.from(`${dir}/${name}`, 'latin1'), '');
    await removePaths(dir, [...names, 'never/was/there'], signal);
    expect(await readdir(dir)).to.have.members(['b', 'stays']);
  });

  it('says which program is missing', async () => {
    const path = process.env.PATH;
    process.env.PATH = '/nowhere';
    try {
      expect(await removePaths(dir, ['a'], signal).then(() => 'nothing', reasonOf)).to.equal(
        'ProgramMissing',
      );
    } finally {
      process.env.PATH = path;
    }
  });
});
