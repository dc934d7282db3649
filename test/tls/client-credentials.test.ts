import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { reasonOf } from '../../src/domain/errors.ts';
import { type CertNames, loadClientCredentials } from '../../src/tls/client-credentials.ts';
import { Authority } from './authority.ts';

/** Certificates of kinds that the test authority cannot make. */
async function makeEc(cwd: string): Promise<void> {
  const openssl = (...args: string[]) => promisify(execFile)('openssl', args, { cwd });
  const made = ['req', '-x509', '-nodes', '-days', '2', '-subj', '/CN=made'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  await openssl(...made, ...curve, '-keyout', 'ec.key', '-out', 'ec.crt');
  await openssl('ec', '-in', 'ec.key', '-out', 'ec-old.key', '-param_enc', 'named_curve');
  await openssl('ec', '-in', 'ec.key', '-outform', 'der', '-out', 'ec.der');
  const serverOnly = [...made, ...curve, '-addext', 'extendedKeyUsage=serverAuth'];
  await openssl(...serverOnly, '-keyout', 'server-only.key', '-out', 'server-only.crt');
}

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
    const secret = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const;
    const key = createPrivateKey(client.key);
    const more = {
      'chain.crt': `${client.cert}${authority.pair.cert}`,
      'upside-down.crt': `${authority.pair.cert}${client.cert}`,
      'both.pem': `${client.key}${client.cert}`,
      'trusted.crt': client.cert.replaceAll(' CERTIFICATE', ' TRUSTED CERTIFICATE'),
      'ca-and-key.pem': `${authority.pair.key}${authority.pair.cert}`,
      'old-bundle.crt': `${old.pair.cert}${old.pair.cert}`,
      'empty.crt': '',
      'cut.crt': client.cert.slice(0, 400),
      'ca.der': new X509Certificate(authority.pair.cert).raw,
      'key.der': key.export({ type: 'pkcs8', format: 'der' }),
      'locked.key': key.export(secret),
      'locked-old.key': key.export({ ...secret, type: 'pkcs1' }),
      'broken.key': client.key.replace(/\n[A-Za-z0-9+/]{20}/, '\nAAAAAAAAAAAAAAAAAAAA'),
      'open.key': client.key,
    };
    for (const [name, content] of Object.entries({ ...files, ...more }))
      await writeFile(join(dir, name), content, { mode: 0o600 });
    await chmod(join(dir, 'open.key'), 0o644);
    await writeFile(join(dir, 'huge.crt'), client.cert);
    await truncate(join(dir, 'huge.crt'), 5 * 1024 * 1024);
    await mkdir(join(dir, 'folder'));
    await symlink('gone.crt', join(dir, 'nowhere.crt'));
    await makeEc(dir);
    await mkdir(join(dir, '..data'));
    await writeFile(join(dir, '..data/real.crt'), authority.pair.cert);
    await symlink('..data/real.crt', join(dir, 'linked.crt'));
    await writeFile(join(dir, '../outside.crt'), authority.pair.cert);
    await symlink('../outside.crt', join(dir, 'escape.crt'));
  });
  after(() => rm(join(dir, '..'), { recursive: true }));

  const warnings: string[] = [];
  const log = {
    warn: (message: string, { file }: Readonly<Record<string, string>>) =>
      warnings.push(`${file}: ${message}`),
  };
  beforeEach(() => void warnings.splice(0));
  const load = (names: CertNames) =>
    loadClientCredentials({ path: dir, shown: '/certs' }, names, Date.now(), log);

  it('needs nothing where nothing is named', async () => expect(await load({})).to.deep.equal({}));

  it('loads an authority and a client certificate with its key', async () => {
    expect(
      await load({ caCert: 'ca.crt', clientCert: 'client.crt', clientKey: 'client.key', mtls: true }),
    ).to.deep.equal({ ca: authority.pair.cert, client });
  });

  for (const [clientCert, clientKey] of [
    ['chain.crt', 'client.key'],
    ['ec.crt', 'ec.key'],
    ['ec.crt', 'ec-old.key'],
    ['both.pem', 'both.pem'],
    ['trusted.crt', 'client.key'],
  ] as const)
    it(`takes ${clientCert} with ${clientKey}`, async () => {
      const { client: loaded } = await load({ clientCert, clientKey });
      expect(loaded?.cert).to.contain('BEGIN');
      expect(warnings).to.deep.equal([]);
    });

  it('takes an empty name for none', async () =>
    expect(await load({ caCert: '', clientCert: '', clientKey: '', mtls: false })).to.deep.equal({}));

  it('warns of a key that everybody may read', async () => {
    await load({ clientCert: 'client.crt', clientKey: 'open.key' });
    expect(warnings).to.have.lengthOf(1);
    expect(warnings[0]).to.contain('open.key').and.to.contain('chmod 600');
  });

  it('warns of a certificate that is not made for clients', async () => {
    await load({ clientCert: 'server-only.crt', clientKey: 'server-only.key' });
    expect(warnings.join()).to.contain('server-only.crt').and.to.contain('extended key usage');
  });

  for (const caCert of ['linked.crt', 'bundle.crt', 'ca-and-key.pem']) {
    it(`takes ${caCert}`, async () => expect((await load({ caCert })).ca).to.contain('BEGIN'));
  }

  const both = (clientCert: string, clientKey: string): CertNames => ({ clientCert, clientKey });
  for (const { what, names, says } of [
    { what: 'a path', names: { caCert: '../outside.crt' }, says: 'plain file name' },
    { what: 'an absolute path', names: { caCert: '/etc/passwd' }, says: 'plain file name' },
    { what: 'the folder above', names: { caCert: '..' }, says: 'plain file name' },
    { what: 'a link out of the folder', names: { caCert: 'escape.crt' }, says: 'leads out' },
    { what: 'a hidden path', names: { caCert: 'sub/../../outside.crt' }, says: 'plain file name' },
    { what: 'a path of another system', names: { caCert: 'sub\\ca.crt' }, says: 'plain file name' },
    { what: 'the folder itself', names: { caCert: '.' }, says: 'plain file name' },
    { what: 'a folder', names: { caCert: 'folder' }, says: 'is a folder' },
    { what: 'a link to nowhere', names: { caCert: 'nowhere.crt' }, says: 'is not there' },
    {
      what: 'a file that is not there',
      names: { caCert: 'none.crt' },
      says: 'is not there: put it into /certs on the node',
    },
    { what: 'an empty file', names: { caCert: 'empty.crt' }, says: 'is empty' },
    { what: 'a file without end', names: { caCert: 'huge.crt' }, says: 'too large' },
    { what: 'a text', names: { caCert: 'text.crt' }, says: 'no certificate' },
    { what: 'a broken certificate', names: { caCert: 'broken.crt' }, says: 'damaged' },
    { what: 'a certificate that is cut off', names: { caCert: 'cut.crt' }, says: 'cut off' },
    { what: 'an authority in DER', names: { caCert: 'ca.der' }, says: 'openssl x509 -inform der -in ca.der' },
    { what: 'a key as authority', names: { caCert: 'client.key' }, says: 'exchanged' },
    { what: 'a bundle of expired authorities', names: { caCert: 'old-bundle.crt' }, says: 'expired' },
    { what: 'exchanged files', names: both('client.key', 'client.crt'), says: 'exchanged' },
    { what: 'a certificate in place of the key', names: both('client.crt', 'client.crt'), says: 'exchanged' },
    {
      what: 'a key with a password',
      names: both('client.crt', 'locked.key'),
      says: 'openssl pkey -in locked.key',
    },
    { what: 'an old key with a password', names: both('client.crt', 'locked-old.key'), says: 'password' },
    { what: 'a key in DER', names: both('client.crt', 'key.der'), says: 'openssl pkey -inform der' },
    { what: 'an EC key in DER', names: both('ec.crt', 'ec.der'), says: 'openssl pkey -inform der' },
    { what: 'a damaged key', names: both('client.crt', 'broken.key'), says: 'damaged' },
    {
      what: 'an EC key of another certificate',
      names: both('client.crt', 'ec.key'),
      says: 'does not belong',
    },
    {
      what: 'a bundle whose authority stands first',
      names: both('upside-down.crt', 'client.key'),
      says: 'come first',
    },
    { what: 'an expired authority', names: { caCert: 'old-ca.crt' }, says: 'expired' },
    { what: 'an expired certificate', names: both('late.crt', 'client.key'), says: 'expired' },
    { what: 'one that is not valid yet', names: both('early.crt', 'client.key'), says: 'not valid before' },
    { what: "another certificate's key", names: both('client.crt', 'other.key'), says: 'does not belong' },
    { what: 'a key that is none', names: both('client.crt', 'text.crt'), says: 'private key' },
    { what: 'a key without certificate', names: { clientKey: 'client.key' }, says: 'clientCert is missing' },
    { what: 'a certificate without key', names: { clientCert: 'client.crt' }, says: 'clientKey is missing' },
    {
      what: 'mtls without certificates',
      names: { mtls: true, caCert: 'ca.crt' },
      says: 'clientCert, clientKey is',
    },
    {
      what: 'mtls without an authority',
      names: { mtls: true, clientCert: 'client.crt', clientKey: 'client.key' },
      says: 'caCert is missing',
    },
  ]) {
    it(`refuses ${what}`, async () => {
      const error: unknown = await load(names).catch((e: unknown) => e);
      expect(reasonOf(error)).to.equal('CertificateInvalid');
      expect(String(error)).to.contain(says);
    });
  }
});
