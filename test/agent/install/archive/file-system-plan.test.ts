import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { planFileSystem } from '../../../../src/agent/install/archive/file-system-plan.ts';
import { runProgram } from '../../../env/node/run-program.ts';

describe('the plan of a file system', () => {
  let dir = '';
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'plan-'));
  });
  after(() => rm(dir, { recursive: true }));

  const planAfter = async (...options: string[]) => {
    const path = join(dir, 'running');
    await writeFile(path, '');
    await truncate(path, 64 * 1024 * 1024);
    await runProgram('mke2fs', '-q', '-F', ...options, path);
    const superblock = Buffer.alloc(1024);
    const handle = await open(path, 'r');
    await handle.read(superblock, 0, 1024, 1024);
    await handle.close();
    return planFileSystem(superblock);
  };

  it('takes block size, inode size and features from the running one', async () => {
    const plan = await planAfter(
      '-t',
      'ext4',
      '-b',
      '2048',
      '-I',
      '512',
      '-i',
      '4096',
      '-O',
      '^metadata_csum,^64bit',
    );
    expect(plan).to.include({ blockBytes: 2048, inodeBytes: 512, bytesPerInode: 4096 });
    expect(plan.features).to.include.members(['extent', 'has_journal', 'flex_bg']);
    expect(plan.features).to.not.include.members(['metadata_csum']);
    expect(plan.features).to.not.include.members(['64bit']);
  });

  it('follows one of the oldest kind', async () => {
    const { features } = await planAfter('-t', 'ext2', '-b', '1024', '-I', '128');
    expect(features).to.include('filetype').and.to.not.include('extent').and.to.not.include('has_journal');
  });

  it('makes more inodes than the running one has where those are few', async () => {
    expect((await planAfter('-t', 'ext4', '-b', '4096', '-i', '65536')).bytesPerInode).to.equal(8192);
  });

  it('leaves out what old readers do not know', async () => {
    const { features } = await planAfter('-t', 'ext4', '-O', 'ea_inode,large_dir,inline_data,quota');
    for (const feature of ['ea_inode', 'large_dir', 'inline_data', 'quota'])
      expect(features).to.not.include(feature);
  });

  it('is an old one where the running system is not on ext4', () => {
    const { features, blockBytes } = planFileSystem(Buffer.alloc(1024));
    expect(blockBytes).to.equal(4096);
    expect(features).to.include('extent').and.to.not.include('64bit').and.to.not.include('metadata_csum');
  });
});
