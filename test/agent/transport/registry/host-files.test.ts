import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createHostFiles } from '../../../../src/agent/transport/registry/host-files.ts';
import { messageOf } from '../../../../src/domain/errors.ts';
import { makeTempDir, removeTempDir } from '../../../env/cluster-temp-dir.ts';

describe('files of the host', () => {
  let root: string;
  before(() => {
    root = makeTempDir('host');
    for (const dir of ['etc/pki', 'etc/certs.d', 'run']) mkdirSync(join(root, dir), { recursive: true });
    writeFileSync(join(root, 'etc/pki/ca.crt'), 'authority');
    const links = {
      'etc/certs.d/absolute.crt': '/etc/pki/ca.crt',
      'etc/certs.d/relative.crt': '../pki/ca.crt',
      'etc/certs.d/far.crt': '../../../../../../etc/pki/ca.crt',
      'etc/certs.d/twice.crt': 'absolute.crt',
      'etc/certs.d/circle.crt': 'circle.crt',
      'etc/certs.d/broken.crt': '/etc/passwd',
      'run/certs.d': '/etc/certs.d',
    };
    for (const [path, target] of Object.entries(links)) symlinkSync(target, join(root, path));
  });
  after(() => removeTempDir(root));

  for (const name of ['absolute', 'relative', 'far', 'twice'])
    it(`are read through a link that is ${name}`, async () => {
      for (const dir of ['etc/certs.d', 'run/certs.d'])
        expect(await createHostFiles(root).readText(join(root, dir, `${name}.crt`))).to.equal('authority');
    });

  it('are never those of the container', async () => {
    const read = createHostFiles(root).readText(join(root, 'etc/certs.d/broken.crt'));
    expect(await read.then(() => 'read', messageOf)).to.contain('ENOENT');
  });

  it('are not looked for in circles', async () => {
    const read = createHostFiles(root).readText(join(root, 'etc/certs.d/circle.crt'));
    expect(await read.then(() => 'read', messageOf)).to.contain('link to link');
  });

  it('are listed, and none where there is no folder', async () => {
    const files = createHostFiles(root);
    expect(await files.readNames(join(root, 'run/certs.d'))).to.include('far.crt');
    expect(await files.readNames(join(root, 'nowhere'))).to.deep.equal([]);
    expect(await files.readNames(join(root, 'etc/pki/ca.crt'))).to.deep.equal([]);
    expect(await files.isFolder(join(root, 'run/certs.d'))).to.equal(true);
    expect(await files.isFolder(join(root, 'etc/pki/ca.crt'))).to.equal(false);
  });

  it('are called as on the host', () => {
    expect(createHostFiles(root).shown(join(root, 'etc/x'))).to.equal('/etc/x');
    expect(createHostFiles('/').shown('/etc/x')).to.equal('/etc/x');
    expect(createHostFiles('/host').shown('/hosts/x')).to.equal('/hosts/x');
  });
});
