import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Layer } from '../../../../src/agent/install/layer.ts';
import { StalledError } from '../../../../src/domain/errors.ts';
import { buildImage, buildRootTar } from '../../../env/images.ts';
import { needsRoot } from '../../../env/needs-root.ts';
import { runProgram } from '../../../env/node/run-program.ts';
import { listSlot, listTree, makeRichTree } from '../../../env/tar-tree.ts';
import { StagingHost } from '../staging.ts';
import { directory, file, hardlink, symlink, tarOf } from '../tar/build-tar.ts';
import { DIGEST, layerOf, openLayers } from './fake-image.ts';

const MIB = 1024 * 1024;
const OS = file('etc/os-release', 'VERSION_ID=1\n');

/** Layers that change what lies below in every way. */
const MAKE = `
set -e
mkdir "$1/one" "$1/two" "$1/three" && cd "$1/one"
mkdir -p etc gone/sub kept opaque/deep swap1 usr/lib deep/a/b
echo 1 > etc/a; ln etc/a etc/b; echo 1 > gone/sub/x; echo 1 > kept/x; echo 1 > kept/y; echo 1 > opaque/x
echo 1 > opaque/deep/x; echo 1 > swap1/x; echo 1 > swap2; ln -s usr/lib lib; echo 1 > usr/lib/x; ln -s etc link
echo 1 > deep/a/b/c; echo 1 > again; ln -s nowhere tolink; mkdir -m 1777 tmp; chown 7:8 kept/y
cd ../two
mkdir -p etc kept opaque swap2 deep/a/b
touch .wh.gone kept/.wh.x opaque/.wh..wh..opq deep/a/b/.wh.c .wh.never .wh.link
echo 2 > opaque/new; echo 2 > swap1; echo 2 > swap2/x; echo 2 > etc/a; rm -f link; mkdir link; echo 2 > link/x
touch .wh.again; echo 2 > tolink; echo 2 > 'etc/.whatever'
cd ../three
mkdir -p gone opaque etc
echo 3 > gone/y; touch opaque/.wh.new; echo 3 > again; echo 3 > etc/os-release; echo 3 > etc/c; ln etc/c etc/d
cd .. ; find one two three -exec touch -h -d 2020-02-02 {} +
# A folder and its mark of being removed cannot come from one folder of files.
tar -C one --sort=name -cf one.tar . ; tar -C two --sort=name --exclude=./.wh.link -cf two.tar .
tar -C three --sort=name -cf three.tar .
`;

describe('the layers of an image on a slot', function () {
  this.timeout(120_000);
  let dir = '';
  let old = '';
  let host: StagingHost;

  before(async function () {
    needsRoot(this, 'mounting a slot');
    dir = await mkdtemp(join(tmpdir(), 'layers-'));
    old = (await buildImage({ version: 'v1.34.1', sizeMiB: 6, fillMiB: 1 })).path;
  });
  after(async () => {
    if (dir !== '') await rm(dir, { recursive: true });
  });
  beforeEach(async () => {
    host = await StagingHost.make(old, 48 * MIB);
  });
  afterEach(() => host?.remove());

  const stage = (...layers: (Buffer | Layer)[]) => {
    host.parts = { openImage: openLayers(...layers.map(it => (Buffer.isBuffer(it) ? layerOf(it) : it))) };
    return host.stage({ reference: 'os/image:1' });
  };
  const refusal = (...layers: (Buffer | Layer)[]) => {
    host.parts = { openImage: openLayers(...layers.map(it => (Buffer.isBuffer(it) ? layerOf(it) : it))) };
    return host.refusal({ reference: 'os/image:1' });
  };
  const cat = (path: string) => runProgram('debugfs', '-R', `cat ${path}`, host.slotB);
  const names = async (path = '/') =>
    (await runProgram('debugfs', '-R', `ls -p ${path}`, host.slotB))
      .split('\n')
      .map(line => line.split('/')[5] ?? '')
      .filter(name => !['', '.', '..', 'lost+found'].includes(name))
      .sort();

  it('make the tree that umoci makes of them', async () => {
    await runProgram('sh', '-c', MAKE, 'make', dir);
    const files = ['one', 'two', 'three'].map(name => join(dir, `${name}.tar`));
    const image = join(dir, 'oci');
    await runProgram('umoci', 'init', '--layout', image);
    await runProgram('umoci', 'new', '--image', `${image}:x`);
    for (const path of files) await runProgram('umoci', 'raw', 'add-layer', '--image', `${image}:x`, path);
    await runProgram('umoci', 'unpack', '--image', `${image}:x`, join(dir, 'bundle'));
    for (const path of files) await runProgram('gzip', '-k', path);
    await stage(...(await Promise.all(files.map((path, at) => readFile(at === 1 ? `${path}.gz` : path)))));
    const wanted = await listTree(join(dir, 'bundle/rootfs'));
    const found = await listSlot(host.slotB);
    expect(found.filter(line => !wanted.includes(line))).to.deep.equal([]);
    expect(found).to.deep.equal(wanted);
    expect(found.join('\n')).to.not.contain('.wh.');
    await runProgram('e2fsck', '-fn', host.slotB);
  });

  it('say the digest of the image, and how much of all layers has come', async () => {
    const layers = [tarOf(OS), tarOf(file('a', 'x'.repeat(200_000)))];
    expect((await stage(...layers)).checksum).to.equal(DIGEST);
    const total = layers.reduce((sum, { length }) => sum + length, 0);
    const last = host.progress.findLast(({ phase }) => phase === 'Downloading');
    expect(last).to.deep.equal({ phase: 'Downloading', bytesDone: total, bytesTotal: total });
  });

  it('keep everything that a file can have', async () => {
    const tree = join(dir, 'rich');
    await makeRichTree(tree);
    const path = join(dir, 'rich.tar');
    await runProgram(
      'tar',
      '-C',
      tree,
      '--format=pax',
      '--sparse',
      '--xattrs',
      '--xattrs-include=*',
      '-cf',
      path,
      '.',
    );
    await stage(await readFile(path), tarOf(file('added')));
    expect(await cat('added')).to.equal('x');
    const found = await listSlot(host.slotB);
    expect(found.some(line => line.includes('security.capability'))).to.equal(true);
  });

  it('never lead out of the tree', async () => {
    const escaped = join(dir, 'escaped');
    await stage(
      tarOf(OS, symlink('x', '/'), symlink('y', '../../../../../../..'), symlink('f', `${escaped}3`)),
      tarOf(
        file(`x${escaped}1`),
        file(`y${escaped}2`),
        file('f', 'inside'),
        hardlink('p', 'x/etc/os-release'),
      ),
      tarOf(file('x/.wh.f'), file('y/etc/.wh.nothing')),
    );
    for (const at of [1, 2, 3]) expect(await stat(`${escaped}${at}`).catch(() => 'none')).to.equal('none');
    expect(await cat(`${escaped}1`)).to.equal('x');
    expect(await cat('p')).to.equal('VERSION_ID=1\n');
    expect(await names()).to.not.include('f');
  });

  for (const { what, layers, want } of [
    {
      what: 'a whiteout hides nothing of its own layer, whichever comes first',
      layers: () => [
        tarOf(file('d/old'), file('e/old')),
        tarOf(file('d/new'), file('.wh.d'), file('e/.wh..wh..opq'), file('e/new'), OS),
      ],
      want: { '/d': ['new'], '/e': ['new'] },
    },
    {
      what: 'the opaque mark may come last',
      layers: () => [tarOf(file('e/old')), tarOf(directory('e'), file('e/new'), file('e/.wh..wh..opq'))],
      want: { '/e': ['new'] },
    },
    {
      what: 'a folder that was removed comes back empty',
      layers: () => [tarOf(file('e/old')), tarOf(file('.wh.e')), tarOf(directory('e'))],
      want: { '/e': [] },
    },
    {
      what: 'the whole root may be emptied',
      layers: () => [tarOf(file('a'), file('b/c')), tarOf(file('.wh..wh..opq'), file('n'))],
      want: { '/': ['n'] },
    },
    {
      what: 'a mark that another program left is no file',
      layers: () => [
        tarOf(file('a')),
        tarOf(directory('.wh..wh.plnk'), file('.wh..wh.plnk/1.2'), file('.wh..wh.aufs')),
      ],
      want: { '/': ['a'] },
    },
    {
      what: 'a hard link keeps what its other name loses',
      layers: () => [tarOf(file('a', 'text')), tarOf(hardlink('b', 'a')), tarOf(file('.wh.a'))],
      want: { '/': ['b'] },
    },
  ]) {
    it(what, async () => {
      await stage(...layers());
      for (const [path, wanted] of Object.entries(want))
        expect(await names(path), path).to.deep.equal(wanted);
      await runProgram('e2fsck', '-fn', host.slotB);
    });
  }

  describe('with a root file system in /os.tar', () => {
    const inner = async (packing?: string): Promise<Buffer> => {
      const { path } = await buildRootTar({ version: 'v1.35.1', fillMiB: 1 });
      if (packing === undefined) return readFile(path);
      const packed = join(dir, 'inner');
      await runProgram('sh', '-c', '"$1" -c "$2" > "$3"', 'pack', packing, path, packed);
      return readFile(packed);
    };
    const osTar = (bytes: Buffer, path = 'os.tar') => {
      const [told] = file(path);
      return tarOf(file('bin/sh'), [{ ...told, sizeBytes: bytes.length }, bytes], file('after'));
    };
    const expectPayload = async () => {
      expect((await host.slots.inspect()).B.osRelease?.versionId).to.equal('1.35.1');
      expect(await names()).to.deep.equal(['boot', 'etc', 'usr']);
    };

    for (const { what, layers } of [
      { what: 'alone', layers: async () => [tarOf([...osEntry(await inner())])] },
      { what: 'among other files', layers: async () => [osTar(await inner(), './os.tar')] },
      { what: 'packed with zstd', layers: async () => [osTar(await inner('zstd'))] },
      { what: 'packed with gzip', layers: async () => [osTar(await inner('gzip'))] },
      {
        what: 'in the middle of the layers',
        layers: async () => [tarOf(OS), osTar(await inner()), tarOf(OS, file('x'))],
      },
      {
        what: 'replaced by a later layer',
        layers: async () => [osTar(tarOf(file('wrong'))), osTar(await inner())],
      },
      {
        what: 'removed and put there again by one layer',
        layers: async () => [
          osTar(tarOf(file('wrong'))),
          Buffer.concat([tarOf(file('.wh.os.tar')).subarray(0, 1024), osTar(await inner())]),
        ],
      },
    ]) {
      it(`takes that, ${what}`, async () => {
        await stage(...(await layers()));
        await expectPayload();
        await runProgram('e2fsck', '-fn', host.slotB);
      });
    }
    const osEntry = (bytes: Buffer) => {
      const [told] = file('os.tar');
      return [{ ...told, sizeBytes: bytes.length }, bytes] as const;
    };

    for (const { what, layers } of [
      { what: 'is removed again', layers: () => [osTar(tarOf(OS)), tarOf(file('.wh.os.tar'))] },
      { what: 'is hidden by an opaque root', layers: () => [osTar(tarOf(OS)), tarOf(file('.wh..wh..opq'))] },
      { what: 'becomes a folder', layers: () => [osTar(tarOf(OS)), tarOf(directory('os.tar'))] },
      { what: 'is a hard link', layers: () => [tarOf(file('a'), hardlink('os.tar', 'a'))] },
      { what: 'is met through a link', layers: () => [tarOf(symlink('l', '.'), file('l/os.tar'))] },
    ]) {
      it(`refuses one that ${what}`, async () => {
        const { reason, message } = await refusal(...layers());
        expect(reason).to.equal('ImageInvalid');
        expect(message).to.contain('os.tar');
        expect((await host.headOfB()).every(byte => byte === 0)).to.equal(true);
      });
    }

    it('takes a folder or a link of that name for what it is', async () => {
      await stage(tarOf(OS, file('os.tar/readme'), symlink('b', 'os.tar')));
      expect(await names('/os.tar')).to.deep.equal(['readme']);
    });

    it('refuses one that is no tar, or is empty', async () => {
      for (const bytes of [Buffer.from('text'), Buffer.alloc(0), Buffer.alloc(10_240)]) {
        expect((await refusal(osTar(bytes))).reason).to.equal('ImageInvalid');
      }
    });
  });

  it('are refused where there are none, or nothing is in them', async () => {
    expect((await refusal()).reason).to.equal('ImageInvalid');
    expect((await host.slots.inspect()).B.osRelease?.versionId).to.equal('1.34.1');
    expect((await refusal(tarOf())).message).to.contain('empty');
  });

  it('pass on why a layer cannot be fetched, first of all that it is damaged', async () => {
    const wrong = new StalledError('ChecksumMismatch', 'another digest');
    const whole = tarOf(OS, file('a', 'x'.repeat(100_000)));
    expect((await refusal(layerOf(whole, wrong))).reason).to.equal('ChecksumMismatch');
    const damaged = Buffer.from(whole);
    damaged[10] = 0xff;
    expect((await refusal(tarOf(OS), layerOf(damaged, wrong))).reason).to.equal('ChecksumMismatch');
    expect((await refusal(tarOf(OS), layerOf(damaged))).reason).to.equal('ImageInvalid');
    expect((await refusal(layerOf(Buffer.alloc(0), new StalledError('NotFound', 'gone')))).reason).to.equal(
      'NotFound',
    );
  });

  it('leave the slot as it was when the first cannot be fetched', async () => {
    const gone = new StalledError('NotFound', 'gone');
    await refusal(layerOf(Buffer.alloc(0), gone));
    expect((await host.slots.inspect()).B.osRelease?.versionId).to.equal('1.34.1');
  });

  it('may each fill the slot, but not all together', async () => {
    const big = (name: string) => tarOf(file(name, 'x'.repeat(25 * MIB)));
    await stage(big('a'), big('a'));
    expect((await refusal(big('a'), big('b'))).reason).to.equal('ImageTooLarge');
  });
});
