import { createHash } from 'node:crypto';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { ownArchitecture } from '../../tools/image/architecture.ts';
import { buildProductImage } from '../../tools/image/build-image.ts';
import { ensureLayer } from '../../tools/image/layer.ts';
import { describeLayers } from '../../tools/image/layers.ts';
import { HOME } from '../../tools/image/program-layer.ts';
import { ROOT } from '../../tools/lib/paths.mjs';
import { runCtl } from '../cli/run-ctl.ts';
import { makeTempDir, removeTempDir } from '../env/cluster-temp-dir.ts';
import { runProgram } from '../env/node/run-program.ts';
import { type UnpackedImage, unpackImage } from './unpacked-image.ts';

const Index = z.object({
  manifests: z.array(z.object({ digest: z.string(), annotations: z.record(z.string(), z.string()) })),
});
const Manifest = z.object({ layers: z.array(z.object({ digest: z.string(), size: z.number() })) });

describe('the container image', function () {
  this.timeout(180_000);
  let unpacked: UnpackedImage;
  const read = async (path: string) => JSON.parse(await readFile(join(unpacked.layout, path), 'utf8'));
  const blob = (digest: string) => join('blobs', digest.replace(':', '/'));

  before(async () => {
    unpacked = await unpackImage();
  });
  after(() => unpacked?.remove());

  it('bears the name that the manifests give it, for containerd and for Docker', async () => {
    const [{ annotations, digest } = { annotations: {}, digest: '' }, ...others] = Index.parse(
      await read('index.json'),
    ).manifests;
    expect(others).to.deep.equal([]);
    expect(digest).to.equal(unpacked.image.digest);
    expect(annotations).to.include({ 'io.containerd.image.name': 'docker.io/library/twinslot:0.1.0' });
    const [docker] = await read('manifest.json');
    expect(docker.RepoTags).to.deep.equal(['twinslot:0.1.0']);
    const { stdout } = await runCtl(['create', 'all']);
    const images = parseAllDocuments(stdout).map(document =>
      document.getIn(['spec', 'template', 'spec', 'containers', 0, 'image']),
    );
    expect(new Set(images.filter(image => image !== undefined))).to.deep.equal(new Set(['twinslot:0.1.0']));
  });

  for (const transport of ['oci-archive', 'docker-archive'])
    it(`is read by skopeo as ${transport}`, async () => {
      const path = `${transport}:${unpacked.image.path}`;
      const facts = JSON.parse(await runProgram('skopeo', 'inspect', path));
      expect(facts).to.include({ Architecture: ownArchitecture(), Os: 'linux' });
      expect(facts.Layers).to.have.length(3);
    });

  it('is taken from the cache while nothing has changed', async () => {
    const first = await buildProductImage();
    const { ino } = await stat(first.path);
    const second = await buildProductImage();
    expect(second).to.deep.equal(first);
    expect((await stat(second.path)).ino).to.equal(ino);
  });

  it('is the same to the byte when it is made again, by someone with another umask', async () => {
    const { layers } = Manifest.parse(await read(blob(unpacked.image.digest)));
    const cache = makeTempDir('layers');
    const umask = process.umask(0o077);
    try {
      const sources = await describeLayers(ownArchitecture());
      for (const [index, source] of sources.entries()) {
        // Node is one file of a package: half a minute of compressing would show nothing more.
        if (source.name === 'node') continue;
        const layer = await ensureLayer(cache, source);
        expect(layer.digest, source.name).to.equal(layers[index]?.digest);
      }
    } finally {
      process.umask(umask);
      removeTempDir(cache);
    }
  });

  it('has blobs that are what their names say', async () => {
    for (const name of await readdir(join(unpacked.layout, 'blobs/sha256'))) {
      const content = await readFile(join(unpacked.layout, 'blobs/sha256', name));
      expect(createHash('sha256').update(content).digest('hex')).to.equal(name);
    }
  });

  it('puts what changes with our sources into the last layer, and that one is small', async () => {
    const { layers } = Manifest.parse(await read(blob(unpacked.image.digest)));
    const last = join(unpacked.layout, blob(layers.at(-1)?.digest ?? ''));
    const paths = (await runProgram('tar', '--list', '--gzip', `--file=${last}`)).split('\n');
    expect(paths.filter(path => path.startsWith('./usr/bin/'))).to.deep.equal([
      './usr/bin/',
      './usr/bin/ctl',
    ]);
    expect(layers.at(-1)?.size).to.be.below(4 << 20);
    expect(unpacked.image.bytes).to.be.below(70 << 20);
  });

  it('says nothing of the folder it was built in', async () => {
    const folder = join(unpacked.root, HOME, 'lib');
    const escaped = ROOT.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
    for (const file of await readdir(folder)) {
      const content = await readFile(join(folder, file), 'utf8');
      expect(content, file).not.to.match(new RegExp(`(?<![.\\w])${escaped}/`));
      if (!file.endsWith('.map')) continue;
      const odd = JSON.parse(content).sources.filter(
        (source: string) => !/^\.\.\/(src|node_modules)\/|^\.\.\/package\.json$/.test(source),
      );
      expect(odd, file).to.deep.equal([]);
    }
  });

  it('lets nobody become root, and write only where everyone may', async () => {
    const find = (...test: string[]) => runProgram('find', unpacked.root, '-xdev', ...test);
    expect(await find('-perm', '/6000')).to.equal('');
    const open = await find('-perm', '-0002', '!', '-type', 'l', '-printf', '%P %m\n');
    expect(open.trim().split('\n').sort()).to.deep.equal(['tmp 1777', 'var/tmp 1777']);
  });

  it('carries the licences of what it consists of', async () => {
    const licences = await readdir(join(unpacked.root, 'usr/share/doc/twinslot'));
    expect(licences).to.include.members([
      'copyright',
      'zod.txt',
      'undici.txt',
      '@kubernetes-client-node.txt',
    ]);
    const packages = await readdir(join(unpacked.root, 'usr/share/doc'), { withFileTypes: true });
    for (const entry of packages) {
      if (entry.isDirectory() && entry.name !== 'twinslot')
        expect(await readdir(join(unpacked.root, 'usr/share/doc', entry.name))).to.deep.equal(['copyright']);
    }
  });

  it('has ctl on the PATH', async () => {
    expect(await readlink(join(unpacked.root, 'usr/bin/ctl'))).to.equal('../lib/twinslot/lib/ctl.js');
  });
});
