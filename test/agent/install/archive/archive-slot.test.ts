import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type ImageServer, startImageServer } from '../../../env/image-server.ts';
import { buildImage, buildRootTar, checksumOf } from '../../../env/images.ts';
import { needsRoot } from '../../../env/needs-root.ts';
import { runProgram } from '../../../env/node/run-program.ts';
import { listSlot, listTree, makeRichTree } from '../../../env/tar-tree.ts';
import { StagingHost } from '../staging.ts';

const MIB = 1024 * 1024;
const ALL_ATTRIBUTES = ['--xattrs', '--xattrs-include=*', '--acls', '--selinux'];

describe('the tar of a root file system on a slot', function () {
  this.timeout(120_000);
  let dir = '';
  let tree = '';
  let old = '';
  let server: ImageServer;
  let host: StagingHost;

  before(async function () {
    needsRoot(this, 'mounting a slot');
    dir = await mkdtemp(join(tmpdir(), 'tar-slot-'));
    tree = join(dir, 'tree');
    await makeRichTree(tree);
    old = (await buildImage({ version: 'v1.34.1', sizeMiB: 16, fillMiB: 1 })).path;
    server = await startImageServer();
  });
  after(async () => {
    await server?.close();
    if (dir !== '') await rm(dir, { recursive: true });
  });
  beforeEach(async () => {
    host = await StagingHost.make(old, 96 * MIB);
  });
  afterEach(() => host?.remove());

  const serve = async (file: string) => {
    server.serve('/image', file);
    return { url: `${server.url}/image`, checksum: await checksumOf(file), flagSafe: true };
  };
  const pack = async (name: string, ...options: string[]): Promise<string> => {
    const file = join(dir, name);
    await runProgram('tar', '-C', tree, '-cf', file, ...options, '.');
    return file;
  };
  /** What GNU tar itself makes of an archive. */
  const unpacked = async (file: string, ...options: string[]): Promise<string[]> => {
    const folder = await mkdtemp(join(dir, 'by-tar-'));
    await runProgram('tar', '-C', folder, '-xpf', file, '--numeric-owner', '--same-owner', ...options);
    return listTree(folder);
  };

  it('keeps everything that GNU tar keeps', async () => {
    const file = await pack('rich.tar', '--format=pax', '--sparse', ...ALL_ATTRIBUTES);
    const staged = await host.stage(await serve(file));
    const wanted = await unpacked(file, ...ALL_ATTRIBUTES);
    expect(wanted.join('\n')).to.contain('security.capability').and.to.contain('posix_acl_access');
    const got = await listSlot(host.slotB);
    expect(got.filter(line => !wanted.includes(line))).to.deep.equal([]);
    expect(got).to.deep.equal(wanted);
    await runProgram('e2fsck', '-fn', host.slotB);
    const { B } = await host.slots.inspect();
    expect(B.superblockHash).to.equal(staged.superblockHash);
    expect(B.osRelease).to.deep.equal({ versionId: '1.35.1', prettyName: 'Rich 1' });
    expect(staged).to.include({
      checksum: await checksumOf(file),
      expandedBytes: (await readFile(file)).length,
    });
  });

  it('leaves holes where they were', async () => {
    const file = await pack('sparse.tar', '--format=pax', '--sparse');
    await host.stage(await serve(file));
    expect(await runProgram('debugfs', '-R', 'stat /var/log/lastlog', host.slotB)).to.match(
      /Blockcount: \d{1,2}\n/,
    );
  });

  for (const format of ['gnu', 'oldgnu', 'posix']) {
    it(`reads the dialect ${format}`, async () => {
      const file = await pack(`${format}.tar`, `--format=${format}`, '--sparse');
      await host.stage(await serve(file));
      expect(await listSlot(host.slotB)).to.deep.equal(await unpacked(file));
    });
  }

  for (const version of ['0.0', '0.1', '1.0']) {
    it(`reads sparse files of version ${version}`, async () => {
      const file = await pack('sparse.tar', '--format=pax', '--sparse', `--sparse-version=${version}`);
      await host.stage(await serve(file));
      expect(await listSlot(host.slotB)).to.deep.equal(await unpacked(file));
    });
  }

  for (const format of ['v7', 'ustar']) {
    it(`reads the dialect ${format}`, async () => {
      const { path } = await buildRootTar({ version: 'v1.35.1', fillMiB: 1 });
      const plain = join(dir, 'plain');
      await rm(plain, { recursive: true, force: true });
      await mkdir(plain);
      await runProgram('tar', '-C', plain, '-xf', path);
      const file = join(dir, `${format}.tar`);
      await runProgram('tar', '-C', plain, `--format=${format}`, '--owner=0', '--group=0', '-cf', file, '.');
      await host.stage(await serve(file));
      expect(await listSlot(host.slotB)).to.deep.equal(await unpacked(file));
    });
  }

  for (const packing of ['gzip', 'xz', 'zstd']) {
    it(`takes it packed with ${packing}`, async () => {
      const { path, rawChecksum } = await buildRootTar({ version: 'v1.35.1', fillMiB: 1 });
      const file = join(dir, 'packed');
      await runProgram('sh', '-c', '"$1" -c "$2" > "$3"', 'pack', packing, path, file);
      const staged = await host.stage(await serve(file));
      expect(staged.checksum).to.not.equal(rawChecksum);
      expect((await host.slots.inspect()).B.osRelease?.versionId).to.equal('1.35.1');
    });
  }

  it('makes the file system like the running one, as large as the slot, and sound', async () => {
    const { zstPath } = await buildRootTar({ version: 'v1.35.1', fillMiB: 1 });
    await host.stage(await serve(zstPath));
    const facts = async (path: string) => {
      const text = await runProgram('dumpe2fs', '-h', path);
      return /^Filesystem features:(.*)\nFilesystem flags/m.exec(text)?.[1]?.trim().split(/\s+/).sort();
    };
    const [made, running] = [await facts(host.slotB), await facts(join(host.root, 'a.img'))];
    expect(running).to.include.members(made ?? ['nothing']);
    expect(made).to.include.members(['has_journal', 'extent', 'metadata_csum']);
    const text = await runProgram('dumpe2fs', '-h', host.slotB);
    expect(text)
      .to.match(/volume name:\s+ROOT-B/)
      .and.to.match(/Last mounted on:\s+<not available>/);
    expect(text)
      .to.match(/Reserved block count:\s+0/)
      .and.to.match(/Filesystem state:\s+clean/);
    const [, blocks] = /^Block count:\s+(\d+)/m.exec(text) ?? [];
    const [, bytes] = /^Block size:\s+(\d+)/m.exec(text) ?? [];
    expect(Number(blocks) * Number(bytes)).to.equal(96 * MIB);
    // The copies of the superblock say the same.
    const copy = await runProgram(
      'dumpe2fs',
      '-h',
      '-o',
      'superblock=8193',
      '-o',
      'blocksize=1024',
      host.slotB,
    );
    expect(copy)
      .to.match(/volume name:\s+ROOT-B/)
      .and.not.to.contain('ea_inode');
    expect(await runProgram('grub-fstest', host.slotB, 'ls', '(loop0)/boot/')).to.contain('vmlinuz');
  });

  it('tells how far it is, to the last byte of both phases', async () => {
    const { zstPath } = await buildRootTar({ version: 'v1.35.1', fillMiB: 1 });
    await host.stage(await serve(zstPath));
    const phases = host.progress.map(({ phase }) => phase);
    expect(phases).to.deep.equal([...phases].sort());
    const bytes = (await readFile(zstPath)).length;
    const downloads = host.progress.filter(({ phase }) => phase === 'Downloading');
    expect(downloads.at(-1)).to.include({ bytesDone: bytes, bytesTotal: bytes });
    const last = host.progress.at(-1);
    expect(last?.bytesDone).to.equal(last?.bytesTotal).and.to.be.greaterThan(MIB);
  });

  it('leaves nothing mounted and no loop device', async () => {
    const { zstPath } = await buildRootTar({ version: 'v1.35.1', fillMiB: 1 });
    await host.stage(await serve(zstPath));
    expect(await runProgram('losetup', '-j', host.slotB)).to.equal('');
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.to.contain(host.root);
    await host.slots.assertWritable('B');
  });

  it('puts a raw image over it again', async () => {
    const { zstPath } = await buildRootTar({ version: 'v1.35.1', fillMiB: 1 });
    await host.stage(await serve(zstPath));
    const raw = await buildImage({ version: 'v1.36.0', fillMiB: 1 });
    await host.stage(await serve(raw.zstPath));
    expect((await host.slots.inspect()).B.osRelease?.versionId).to.equal('1.36.0');
  });

  it('unpacks nothing on the node’s own disk', async () => {
    const { path } = await buildRootTar({ version: 'v1.35.1', fillMiB: 1 });
    // A folder of its own, as other tests use the common one meanwhile.
    const own = join(dir, 'tmp');
    await mkdir(own);
    const marker = join(dir, 'marker');
    const plan = await serve(path);
    await writeFile(marker, '');
    const common = process.env.TMPDIR;
    process.env.TMPDIR = own;
    try {
      await host.stage(plan);
    } finally {
      if (common === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = common;
    }
    const newer = await runProgram('find', own, host.root, '-type', 'f', '-newer', marker);
    expect(newer.trim()).to.equal(host.slotB);
  });
});
