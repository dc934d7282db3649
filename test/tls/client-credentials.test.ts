import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { reasonOf } from '../../src/domain/errors.ts';
import { type CertNames, loadClientCredentials } from '../../src/tls/client-credentials.ts';
import { Authority } from './authority.ts';

describe('client credentials', () => {
  let dir = '';
  const authority = new Authority('test CA');
  const client = authority.issue({ name: 'client' });

  before(async () => {
    dir = join(await mkdtemp(join(tmpdir(), 'certs-')), 'certs');
    await mkdir(dir);
    const old = new Authority('old CA', { fromDays: -10, toDays: -5 });
    const files = {
      'ca.crt': authority.pair.cert,
      'bundle.crt': `# old\n${old.pair.cert}\n# new\n${authority.pair.cert}`,
      'old-ca.crt': old.pair.cert,
      'client.crt': client.cert,
      'client.key': client.key,
      'other.key': authority.pair.key,
      'early.crt': authority.issue({ name: 'early', fromDays: 1, toDays: 2 }).cert,
      'late.crt': authority.issue({ name: 'late', fromDays: -3, toDays: -1 }).cert,
      'text.crt': 'hello',
      'broken.crt': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    await mkdir(join(dir, '..data'));
    await writeFile(join(dir, '..data/real.crt'), authority.pair.cert);
    await symlink('..data/real.crt', join(dir, 'linked.crt'));
    await writeFile(join(dir, '../outside.crt'), authority.pair.cert);
    await symlink('../outside.crt', join(dir, 'escape.crt'));
  });
  after(() => rm(join(dir, '..'), { recursive: true }));

  const load = (names: CertNames) => loadClientCredentials(dir, names, Date.now());

  it('needs nothing where nothing is named', async () => expect(await load({})).to.deep.equal({}));

  it('loads an authority and a client certificate with its key', async () => {
    expect(
      await load({ caCert: 'ca.crt', clientCert: 'client.crt', clientKey: 'client.key', mtls: true }),
    ).to.deep.equal({ ca: authority.pair.cert, client });
  });

  for (const caCert of ['linked.crt', 'bundle.crt']) {
    it(`takes ${caCert}`, async () => expect((await load({ caCert })).ca).to.contain('BEGIN'));
  }

  const both = (clientCert: string, clientKey: string): CertNames => ({ clientCert, clientKey });
  for (const { what, names, says } of [
    { what: 'a path', names: { caCert: '../outside.crt' }, says: 'plain file name' },
    { what: 'an absolute path', names: { caCert: '/etc/passwd' }, says: 'plain file name' },
    { what: 'the folder above', names: { caCert: '..' }, says: 'plain file name' },
    { what: 'a link out of the folder', names: { caCert: 'escape.crt' }, says: 'leads out' },
    { what: 'a file that is not there', names: { caCert: 'none.crt' }, says: 'cannot be read' },
    { what: 'a text', names: { caCert: 'text.crt' }, says: 'no certificate' },
    { what: 'a broken certificate', names: { caCert: 'broken.crt' }, says: 'no certificate' },
    { what: 'an expired authority', names: { caCert: 'old-ca.crt' }, says: 'expired' },
    { what: 'an expired certificate', names: both('late.crt', 'client.key'), says: 'expired' },
    { what: 'one that is not valid yet', names: both('early.crt', 'client.key'), says: 'not valid before' },
    { what: "another certificate's key", names: both('client.crt', 'other.key'), says: 'does not belong' },
    { what: 'a key that is none', names: both('client.crt', 'text.crt'), says: 'private key' },
    { what: 'a certificate without key', names: { clientCert: 'client.crt' }, says: 'clientKey is missing' },
    {
      what: 'mtls without certificates',
      names: { mtls: true, caCert: 'ca.crt' },
      says: 'clientCert, clientKey is',
    },
  ]) {
    it(`refuses ${what}`, async () => {
      const error: unknown = await load(names).catch((e: unknown) => e);
      expect(reasonOf(error)).to.equal('CertificateInvalid');
      expect(String(error)).to.contain(says);
    });
  }
});
