import { execFile } from 'node:child_process';
import { randomBytes, X509Certificate } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { StagingHost } from '../agent/install/staging.ts';
import { type ImageServer, startImageServer } from '../env/image-server.ts';
import { buildImage } from '../env/images.ts';
import { Authority } from '../tls/authority.ts';
import { runCtl } from './run-ctl.ts';

const execute = promisify(execFile);
const DAY_MS = 86_400_000;

describe('ctl certs create', function () {
  this.timeout(60_000);
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'made-certs-'));
  });
  after(() => rm(dir, { recursive: true }));

  const create = (...args: string[]) => runCtl(['certs', 'create', ...args]);
  const certificate = async (...path: string[]) => new X509Certificate(await readFile(join(dir, ...path)));
  const openssl = async (...args: string[]) => (await execute('openssl', args, { cwd: dir })).stdout;

  describe('in an empty folder', () => {
    let stderr: string;
    before(async () => {
      const result = await create(
        '--out',
        join(dir, 'all'),
        '--server',
        'localhost,127.0.0.1,[fd00::1],*.example.com',
      );
      expect([result.code, result.stdout]).to.deep.equal([0, '']);
      stderr = result.stderr;
    });

    it('makes six files, keys for the owner alone, and leaves nothing else', async () => {
      const files = ['ca.crt', 'ca.key', 'client.crt', 'client.key', 'server.crt', 'server.key'];
      expect((await readdir(join(dir, 'all'))).sort()).to.deep.equal(files);
      for (const file of files)
        expect((await stat(join(dir, 'all', file))).mode & 0o777).to.equal(
          file.endsWith('key') ? 0o600 : 0o644,
        );
    });

    it('openssl verifies them for their use, by the strict rules, and for no other', async () => {
      const verify = (purpose: string, file: string) =>
        openssl('verify', '-x509_strict', '-CAfile', 'all/ca.crt', '-purpose', purpose, `all/${file}`);
      expect(await verify('sslserver', 'server.crt')).to.contain('OK');
      expect(await verify('sslclient', 'client.crt')).to.contain('OK');
      for (const [purpose, file] of [
        ['sslclient', 'server.crt'],
        ['sslserver', 'client.crt'],
      ] as const)
        expect(await verify(purpose, file).catch(error => error.stderr)).to.contain('purpose');
    });

    it('the server has every name, the client its own', async () => {
      const server = await certificate('all/server.crt');
      for (const name of ['localhost', 'a.example.com'])
        expect(server.checkHost(name)).not.to.equal(undefined);
      for (const ip of ['127.0.0.1', 'fd00::1']) expect(server.checkIP(ip)).to.equal(ip);
      expect(server.checkHost('example.org')).to.equal(undefined);
      expect((await certificate('all/client.crt')).subject).to.equal('CN=client');
    });

    it('keys are RSA of 3072 bits, signatures SHA-256, serial numbers random, and 825 days are not exceeded', async () => {
      const serials = new Set<string>();
      for (const name of ['ca', 'server', 'client']) {
        const made = await certificate(`all/${name}.crt`);
        serials.add(made.serialNumber);
        expect(made.publicKey.asymmetricKeyDetails?.modulusLength).to.equal(3072);
        expect(made.serialNumber).to.have.lengthOf(32);
        expect(await openssl('x509', '-noout', '-text', '-in', `all/${name}.crt`)).to.contain(
          'sha256WithRSA',
        );
        const days = (Date.parse(made.validTo) - Date.now()) / DAY_MS;
        expect(days).to.be.closeTo(name === 'ca' ? 3650 : 825, 0.1);
        expect(Date.parse(made.validFrom)).to.be.lessThan(Date.now() - DAY_MS / 2);
      }
      expect(serials.size).to.equal(3);
    });

    it('says what to do with each file, and the fields of both APIs', () => {
      for (const words of [
        '/etc/KubeOS/certs',
        'cacert: ca.crt',
        'clientcert: client.crt',
        'clientkey: client.key',
        'caCert: ca.crt',
        'clientCert: client.crt',
        'clientKey: client.key',
        'mtls: true',
        'ca.key to yourself',
        '--server localhost,127.0.0.1,fd00::1,*.example.com --client client --force',
      ])
        expect(stderr).to.contain(words);
      expect(stderr).not.to.contain('PRIVATE KEY');
    });

    it('overwrites nothing, and names what is there', async () => {
      const before = await readFile(join(dir, 'all/server.crt'), 'utf8');
      const { code, stderr: said } = await create('--out', join(dir, 'all'), '--server', 'localhost');
      expect([code, said]).to.deep.equal([
        1,
        `ctl: ${dir}/all/server.crt, ${dir}/all/server.key would be overwritten: move them away, or give --force to replace them\n`,
      ]);
      expect(await readFile(join(dir, 'all/server.crt'), 'utf8')).to.equal(before);
    });
  });

  describe('in a folder with an authority', () => {
    before(async () => {
      await create('--out', join(dir, 'more'), '--server', 'localhost');
    });
    const read = (file: string) => readFile(join(dir, 'more', file), 'utf8');

    it('another client is signed by it, and nothing else is touched', async () => {
      const before = [await read('ca.crt'), await read('ca.key'), await read('client.crt')];
      const { code } = await create('--out', join(dir, 'more'), '--client', 'node2', '--days', '1');
      expect(code).to.equal(0);
      expect(await openssl('verify', '-CAfile', 'more/ca.crt', 'more/node2.crt')).to.contain('OK');
      expect([await read('ca.crt'), await read('ca.key'), await read('client.crt')]).to.deep.equal(before);
      const { validTo } = await certificate('more/node2.crt');
      expect((Date.parse(validTo) - Date.now()) / DAY_MS).to.be.closeTo(1, 0.1);
    });

    it('--force renews the server, and keeps the authority and the client', async () => {
      const before = [await read('ca.crt'), await read('ca.key'), await read('client.key')];
      const old = await read('server.crt');
      const { code } = await create('--out', join(dir, 'more'), '--server', 'images.example.com', '--force');
      expect(code).to.equal(0);
      expect([await read('ca.crt'), await read('ca.key'), await read('client.key')]).to.deep.equal(before);
      expect(await read('server.crt')).not.to.equal(old);
      expect((await certificate('more/server.crt')).checkHost('images.example.com')).not.to.equal(undefined);
      expect((await stat(join(dir, 'more/server.key'))).mode & 0o777).to.equal(0o600);
    });

    it('a certificate ends with the authority that signed it', async () => {
      await create('--out', join(dir, 'more'), '--client', 'long', '--days', '3650');
      const [ca, long] = [await certificate('more/ca.crt'), await certificate('more/long.crt')];
      expect(Date.parse(long.validTo)).to.be.at.most(Date.parse(ca.validTo));
    });
  });

  describe('refuses', () => {
    const withAuthority = async (change: (folder: string) => Promise<unknown>): Promise<string> => {
      const folder = await mkdtemp(join(dir, 'bad-'));
      for (const file of ['ca.crt', 'ca.key', 'client.crt', 'client.key'])
        await copyFile(join(dir, 'all', file), join(folder, file));
      await change(folder);
      const before = (await readdir(folder)).sort();
      const { code, stderr } = await create('--out', folder, '--client', 'other');
      expect(code).to.equal(1);
      expect((await readdir(folder)).sort()).to.deep.equal(before);
      return stderr;
    };
    const authority = (days: object) => async (folder: string) => {
      const { pair } = new Authority('another', days);
      await writeFile(join(folder, 'ca.crt'), pair.cert);
      await writeFile(join(folder, 'ca.key'), pair.key);
    };

    for (const { what, change, says } of [
      { what: 'a missing ca.key', change: (f: string) => rm(join(f, 'ca.key')), says: 'ca.key is missing' },
      { what: 'a missing ca.crt', change: (f: string) => rm(join(f, 'ca.crt')), says: 'ca.crt is missing' },
      {
        what: 'the key of another authority',
        change: (f: string) => copyFile(join(f, 'client.key'), join(f, 'ca.key')),
        says: 'does not belong to its key',
      },
      {
        what: 'a certificate that is no authority',
        change: async (f: string) => {
          await copyFile(join(f, 'client.crt'), join(f, 'ca.crt'));
          await copyFile(join(f, 'client.key'), join(f, 'ca.key'));
        },
        says: 'is no authority',
      },
      { what: 'an expired authority', change: authority({ fromDays: -9, toDays: -1 }), says: 'has expired' },
      {
        what: 'a text',
        change: (f: string) => writeFile(join(f, 'ca.crt'), 'hello'),
        says: 'not both in PEM form',
      },
      {
        what: 'an authority with an EC key',
        change: async (f: string) => {
          const args = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ec'.split(
            ' ',
          );
          await openssl('req', ...args, '-keyout', join(f, 'ca.key'), '-out', join(f, 'ca.crt'));
        },
        says: 'RSA',
      },
      {
        what: 'an encrypted key',
        change: async (f: string) => {
          const pass = `pass:${randomBytes(8).toString('hex')}`;
          await openssl(
            'rsa',
            '-aes256',
            '-passout',
            pass,
            '-in',
            join(f, 'ca.key'),
            '-out',
            join(f, 'ca.enc'),
          );
          await copyFile(join(f, 'ca.enc'), join(f, 'ca.key'));
        },
        says: 'unencrypted',
      },
    ])
      it(what, async () => expect(await withAuthority(change)).to.contain(says));

    it('a folder that is a file', async () => {
      await writeFile(join(dir, 'file'), '');
      const { code, stderr } = await create('--out', join(dir, 'file'), '--client', 'x');
      expect([code, stderr.includes('file')]).to.deep.equal([1, true]);
    });

    for (const { args, says } of [
      { args: [], says: 'say what to make' },
      { args: ['--server', 'https://images.example.com/'], says: 'without scheme' },
      { args: ['--server', 'images.example.com:8443'], says: 'without scheme, port' },
      { args: ['--server', '10.0.0.300'], says: 'no IP address' },
      { args: ['--server', 'a,,b'], says: 'no host name' },
      { args: ['--server', 'bilder.münchen.de'], says: 'xn--' },
      { args: ['--server', 'a b'], says: 'no host name' },
      { args: ['--server', 'fe80::1%eth0'], says: 'zone' },
      { args: ['--client', '../x'], says: 'letters' },
      { args: ['--client', 'ca'], says: 'another file' },
      { args: ['--client', 'Server'], says: 'another file' },
      { args: ['--client', '.hidden'], says: 'letters' },
      { args: ['--client', 'a', '--days', '0'], says: 'whole number' },
      { args: ['--client', 'a', '--days', '1.5'], says: 'whole number' },
      { args: ['--client', 'a', '--days', '9999'], says: 'whole number' },
    ])
      it(`${args.join(' ') || 'nothing to make'}, as a mistake on the command line`, async () => {
        const folder = join(dir, 'never');
        const { code, stderr } = await create('--out', folder, ...args);
        expect([code, stderr]).to.satisfy(() => code === 2 && stderr.includes(says));
        expect(await stat(folder).catch(() => undefined)).to.equal(undefined);
      });

    it('a command line without a folder', async () => {
      const { code, stderr } = await create('--client', 'a');
      expect([code, stderr.includes('--out')]).to.deep.equal([2, true]);
    });
  });

  describe('in use', () => {
    let server: ImageServer;
    let host: StagingHost;
    let image: Awaited<ReturnType<typeof buildImage>>;
    before(async () => {
      image = await buildImage({ version: 'v1.35.1', sizeMiB: 16, fillMiB: 1 });
      const pem = (file: string) => readFile(join(dir, 'all', file), 'utf8');
      server = await startImageServer({
        files: { '/image': image.zstPath },
        tls: { cert: await pem('server.crt'), key: await pem('server.key'), clientCa: await pem('ca.crt') },
      });
      host = await StagingHost.make(image.path, 32 * 1024 * 1024);
      for (const file of ['ca.crt', 'client.crt', 'client.key'])
        await copyFile(join(dir, 'all', file), join(host.root, 'etc/KubeOS/certs', file));
    });
    after(async () => {
      await server.close();
      await host.remove();
    });

    it('the agent downloads with them', async () => {
      const staged = await host.stage({
        url: `${server.url.replace('127.0.0.1', 'localhost')}/image`,
        checksum: image.checksum,
        ...{ mtls: true, caCert: 'ca.crt', clientCert: 'client.crt', clientKey: 'client.key' },
      });
      expect(staged.checksum).to.equal(image.checksum);
    });

    it('curl downloads with them, and gets nothing without', async () => {
      const args = [
        '--silent',
        '--show-error',
        '--fail',
        '--cacert',
        'all/ca.crt',
        '--output',
        join(dir, 'got'),
      ];
      const client = ['--cert', 'all/client.crt', '--key', 'all/client.key'];
      await execute('curl', [...args, ...client, `${server.url}/image`], { cwd: dir });
      expect((await readFile(join(dir, 'got'))).equals(await readFile(image.zstPath))).to.equal(true);
      const refused = await execute('curl', [...args, `${server.url}/image`], { cwd: dir }).catch(
        e => e.stderr,
      );
      expect(refused).to.contain('certificate required');
    });
  });

  it('its help teaches', async () => {
    const { stdout } = await runCtl(['certs', 'create', '--help']);
    for (const words of ['/etc/KubeOS/certs', 'ca.key', '--force', 'cacert', 'caCert', 'Examples:'])
      expect(stdout).to.contain(words);
  });
});
