import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildImage, buildRootTar } from './images.ts';
import { runProgram } from './node/run-program.ts';
import { findDamage, hasFile, readLabel, readOsRelease } from './node/slot-file.ts';

const sha256 = async (path: string): Promise<string> =>
  `sha256:${createHash('sha256')
    .update(await readFile(path))
    .digest('hex')}`;

describe('demonstration images', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'images-'));
  });
  after(() => rm(dir, { recursive: true }));

  it('are whole systems, told by their checksums', async () => {
    const image = await buildImage({ version: 'v1.35.1' }, dir);
    expect(await sha256(image.zstPath)).to.equal(image.checksum);
    expect(await sha256(image.path)).to.equal(image.rawChecksum);
    expect((await readFile(image.path)).length).to.equal(image.sizeBytes);
    expect(await runProgram('zstd', '-lv', image.zstPath)).to.contain(`(${image.sizeBytes} B)`);
    expect(await readOsRelease(image.path)).to.include({
      VERSION_ID: '1.35.1',
      PRETTY_NAME: 'Demo OS 1.35.1',
    });
    expect(await hasFile(image.path, '/boot/vmlinuz')).to.equal(true);
    expect(await readLabel(image.path)).to.equal('');
    expect(await findDamage(image.path)).to.equal(undefined);
  });

  it('are made as they are wanted', async () => {
    const wanted = {
      version: 'v2.0.0',
      prettyName: 'Other 2',
      label: 'ROOT-B',
      metadataChecksums: false,
    } as const;
    const { path } = await buildImage({ ...wanted, without: ['kernel'] }, dir);
    expect(await hasFile(path, '/boot/vmlinuz')).to.equal(false);
    expect(await readLabel(path)).to.equal('ROOT-B');
    expect((await readOsRelease(path)).PRETTY_NAME).to.equal('Other 2');
    expect(await runProgram('debugfs', '-R', 'stats -h', path)).not.to.contain('metadata_csum');
  });

  it('come as tars of a root file system too', async () => {
    const tar = await buildRootTar(
      { version: 'v1.35.1', prettyName: 'KubeOS 1.2', without: ['initrd'] },
      dir,
    );
    expect(await sha256(tar.zstPath)).to.equal(tar.checksum);
    expect(await sha256(tar.path)).to.equal(tar.rawChecksum);
    const members = (await runProgram('tar', '-tvf', tar.path)).trim().split('\n');
    expect(members.every(line => / (0\/0|root\/root) .* \.\//.test(line))).to.equal(true);
    expect(members.some(line => line.endsWith(' ./boot/vmlinuz'))).to.equal(true);
    expect(members.some(line => line.endsWith(' ./boot/initramfs.img'))).to.equal(false);
    expect(await runProgram('tar', '-xOf', tar.path, './etc/os-release')).to.contain('"KubeOS 1.2"');
  });

  it('are made once, even by two at once', async () => {
    const both = await Promise.all([1, 2].map(() => buildImage({ version: 'v3.0.0' }, dir)));
    expect(both[0]).to.deep.equal(both[1]);
    expect((await readdir(dir)).filter(name => name.startsWith('making-'))).to.deep.equal([]);
  });
});
