import { rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { PlanImage } from '../../src/api/monok8s/index.ts';
import { StagingHost } from '../agent/install/staging.ts';
import { type ImageServer, startImageServer } from '../env/image-server.ts';
import { buildImage, type Image } from '../env/images.ts';
import { Authority } from './authority.ts';

describe('certificates, against a real server', function () {
  this.timeout(60_000);
  const authority = new Authority('image CA');
  const foreign = new Authority('another CA');
  const server = authority.issue({ name: 'server', hosts: ['127.0.0.1'] });
  const client = authority.issue({ name: 'client' });
  let image: Image;
  let host: StagingHost;
  let servers: ImageServer[];

  before(async () => {
    image = await buildImage({ version: 'v1.35.1', sizeMiB: 16, fillMiB: 1 });
  });
  beforeEach(async () => {
    servers = [];
    host = await StagingHost.make(image.path, 32 * 1024 * 1024);
    const files = {
      'ca.crt': authority.pair.cert,
      'other-ca.crt': foreign.pair.cert,
      'old-and-new.crt': `${new Authority('image CA', { fromDays: -9, toDays: -1 }).pair.cert}${authority.pair.cert}`,
      'client.crt': client.cert,
      'client.key': client.key,
      'chain.crt': `${client.cert}${authority.pair.cert}`,
      'late.crt': authority.issue({ name: 'late', fromDays: -3, toDays: -1 }).cert,
      'early.crt': authority.issue({ name: 'early', fromDays: 1, toDays: 2 }).cert,
      'other.key': foreign.pair.key,
    };
    for (const [name, text] of Object.entries(files))
      await writeFile(join(host.root, 'etc/KubeOS/certs', name), text, { mode: 0o600 });
  });
  afterEach(async () => {
    for (const open of servers) await open.close();
    await host.remove();
  });

  const serve = async (tls: Parameters<typeof startImageServer>[0]): Promise<ImageServer> => {
    const started = await startImageServer({ files: { '/image': image.zstPath }, ...tls });
    servers.push(started);
    return started;
  };
  const demanding = () => serve({ tls: { ...server, clientCa: authority.pair.cert } });
  const imageAt = ({ url }: ImageServer, names: Partial<PlanImage>): PlanImage => ({
    url: `${url}/image`,
    checksum: image.checksum,
    ...names,
  });
  const mtls = { mtls: true, caCert: 'ca.crt', clientCert: 'client.crt', clientKey: 'client.key' };

  for (const { what, names } of [
    { what: 'all three files', names: mtls },
    { what: 'a certificate with its chain', names: { ...mtls, clientCert: 'chain.crt' } },
    { what: 'an old authority beside the good one', names: { ...mtls, caCert: 'old-and-new.crt' } },
  ])
    it(`downloads from a server that demands a certificate, with ${what}`, async () =>
      expect((await host.stage(imageAt(await demanding(), names))).checksum).to.equal(image.checksum));

  it('a server that demands a certificate when none is named: says so at once, not after the patience is over', async () => {
    const { reason, message } = await host.refusal(imageAt(await demanding(), { caCert: 'ca.crt' }));
    expect(reason).to.equal('CertificateInvalid');
    expect(message).to.contain('clientCert').and.to.contain('clientKey').and.to.contain('mtls: true');
    expect(host.retries).to.deep.equal([]);
  });

  for (const { what, names, says } of [
    { what: 'expired', names: { ...mtls, clientCert: 'late.crt' }, says: 'expired' },
    { what: 'not yet valid', names: { ...mtls, clientCert: 'early.crt' }, says: 'not valid before' },
    { what: 'with the key of another', names: { ...mtls, clientKey: 'other.key' }, says: 'does not belong' },
    {
      what: 'outside the folder',
      names: { ...mtls, clientCert: '../certs/client.crt' },
      says: 'plain file name',
    },
    {
      what: 'not complete',
      names: { mtls: true, caCert: 'ca.crt' },
      says: 'clientCert, clientKey is missing',
    },
  ])
    it(`a client certificate that is ${what} is refused before anything is sent`, async () => {
      const open = await demanding();
      const { reason, message } = await host.refusal(imageAt(open, names));
      expect([reason, message.includes(says)]).to.deep.equal(['CertificateInvalid', true]);
      expect(open.connections).to.equal(0);
    });

  it('a server of another authority is refused', async () => {
    const open = await demanding();
    const { reason, message } = await host.refusal(imageAt(open, { ...mtls, caCert: 'other-ca.crt' }));
    expect([reason, message.includes('caCert')]).to.deep.equal(['CertificateInvalid', true]);
    expect(open.requests).to.deep.equal([]);
  });

  it('a server that answers 400, as nginx does to a missing certificate: its message says so', async () => {
    const open = await serve({ tls: server });
    open.setFaults('/image', { kind: 'status', code: 400 });
    const { reason, message } = await host.refusal(imageAt(open, { caCert: 'ca.crt' }));
    expect([reason, message.includes('client certificate')]).to.deep.equal(['AddressUnsupported', true]);
  });

  it('for http they are not looked at', async () => {
    const open = await serve({});
    const staged = await host.stage(
      imageAt(open, { flagSafe: true, mtls: true, caCert: 'nowhere.crt', clientCert: '../x', clientKey: '' }),
    );
    expect(staged.checksum).to.equal(image.checksum);
  });

  it('the folder may be a link of the host, which leads from the root of the host', async () => {
    await rename(join(host.root, 'etc/KubeOS/certs'), join(host.root, 'certs'));
    await symlink('/certs', join(host.root, 'etc/KubeOS/certs'));
    expect((await host.stage(imageAt(await demanding(), mtls))).checksum).to.equal(image.checksum);
    const { message } = await host.refusal(imageAt(await demanding(), { ...mtls, caCert: 'none.crt' }));
    expect(message).to.contain('/etc/KubeOS/certs on the node').and.not.to.contain(host.root);
  });

  it('a key that everybody may read is told of in the log, by name and without its text', async () => {
    await writeFile(join(host.root, 'etc/KubeOS/certs/open.key'), client.key, { mode: 0o644 });
    await host.stage(imageAt(await demanding(), { ...mtls, clientKey: 'open.key' }));
    const log = host.log.lines.join('\n');
    expect(log).to.contain('open.key').and.to.contain('chmod 600');
    expect(log).not.to.contain('PRIVATE KEY');
  });
});
