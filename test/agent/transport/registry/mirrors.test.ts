import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { type Registry, startRegistry } from '../../../env/registry.ts';
import { type RegistryProxy, startRegistryProxy } from '../../../env/registry-proxy.ts';
import { pushImage, sha256 } from '../../../env/registry-push.ts';
import { Authority } from '../../../tls/authority.ts';
import { createPuller, type Puller } from './puller.ts';

const TAR = randomBytes(1_000_000);
const CERTS = 'etc/containerd/certs.d';
// No server of that name exists, whatever the network: RFC 6761.
const REGISTRY = 'registry.invalid';

describe('the mirrors of a registry', () => {
  let registry: Registry;
  let first: RegistryProxy;
  let second: RegistryProxy;
  let puller: Puller;
  before(async () => {
    registry = await startRegistry();
    await pushImage(registry, {
      repository: 'os',
      tag: 'v1',
      platforms: [{ layers: [{ tar: TAR }, { tar: TAR }] }],
    });
  });
  beforeEach(async () => {
    [first, second] = [await startRegistryProxy(registry), await startRegistryProxy(registry)];
    puller = createPuller();
  });
  afterEach(async () => {
    puller.remove();
    await first.close();
    await second.close();
  });
  after(() => registry.stop());

  const mirrored = (text: string, dir = REGISTRY) => puller.write(`${CERTS}/${dir}/hosts.toml`, text);
  const pulls = (proxy: RegistryProxy) =>
    proxy.requests.filter(({ status }) => status < 300).map(({ path }) => path);

  it('are asked first, with the name of the registry', async () => {
    mirrored(`[host."${first.url}"]`);
    expect(await puller.ending(`${REGISTRY}/os:v1`)).to.equal('pulled');
    expect(pulls(first)).to.have.length(4);
    expect(pulls(first).every(path => path.endsWith(`?ns=${REGISTRY}`))).to.equal(true);
  });

  it('stand in for each other', async () => {
    mirrored(`[host."http://127.0.0.1:1"]\n[host."${first.url}"]\n[host."${second.url}"]`);
    first.setFaults({ kind: 'answer', path: /blobs/, status: 404 });
    expect(await puller.ending(`${REGISTRY}/os:v1`)).to.equal('pulled');
    expect([pulls(first).length, pulls(second).length]).to.deep.equal([1, 3]);
    expect(puller.lines.join()).to.contain('127.0.0.1:1').and.to.contain('NotFound');
    expect(puller.retries).to.deep.equal([]);
  });

  it('finish what another one began', async () => {
    mirrored(`server = "${second.url}"\n[host."${first.url}"]`);
    first.setFaults({ kind: 'drop', everyBytes: 400_000 });
    second.setFaults({
      kind: 'headers',
      path: /blobs/,
      set: { etag: '"another"', 'last-modified': undefined },
    });
    const onRetry = () => first.setFaults({ kind: 'answer', path: /blobs/, status: 404 });
    const layers = await puller.pull(`${REGISTRY}/os:v1`, { onRetry });
    expect(layers.map(sha256)).to.deep.equal([sha256(TAR), sha256(TAR)]);
    expect(second.requests.map(({ headers }) => headers.range)).to.deep.equal(['bytes=400000-', undefined]);
  });

  it('are asked after the others when nothing new comes from them', async () => {
    mirrored(`server = "${second.url}"\n[host."${first.url}"]`);
    first.setFaults({ kind: 'drop', everyBytes: 0 });
    expect(await puller.ending(`${REGISTRY}/os:v1`)).to.equal('pulled');
    expect(pulls(first).filter(path => path.includes('/blobs/'))).to.have.length(1);
  });

  it('are told apart: some only have the blobs', async () => {
    mirrored(`server = "${second.url}"\n[host."${first.url}"]\ncapabilities = ["pull"]`);
    expect(await puller.ending(`${REGISTRY}/os:v1`)).to.equal('pulled');
    expect([pulls(first).length, pulls(second).length]).to.deep.equal([3, 1]);
    expect(pulls(second)[0]).to.contain('/manifests/v1');
  });

  it('may lack all capabilities, which is said', async () => {
    mirrored(`server = "${first.url}"\ncapabilities = ["push"]`);
    expect(await puller.ending(`${REGISTRY}/os:v1`)).to.match(/^RegistryConfigInvalid: .*capabilities/);
  });

  it('are named when the registry itself fails too', async () => {
    mirrored(`server = "${second.url}"\n[host."${first.url}"]`);
    first.setFaults({ kind: 'answer', path: /./, status: 403 });
    expect(await puller.ending(`${REGISTRY}/os:v9`)).to.match(
      new RegExp(`^NotFound: .*${second.host}.*before: ${first.host}: .*not allowed`),
    );
  });

  it('are waited for when only they may have it', async () => {
    mirrored(`server = "${second.url}"\n[host."${first.url}"]`);
    second.setFaults({ kind: 'answer', path: /./, status: 404 });
    first.setFaults(
      { kind: 'answer', path: /manifests/, status: 503, times: 1 },
      { kind: 'answer', path: /blobs/, status: 500, times: 1 },
    );
    expect(await puller.ending(`${REGISTRY}/os:v1`)).to.equal('pulled');
    expect(puller.retries).to.have.length(2);
  });

  it('are passed by when they answer nonsense', async () => {
    mirrored(`server = "${second.url}"\n[host."${first.url}"]`);
    for (const body of ['<html>', '{}', '', 'null']) {
      first.setFaults({ kind: 'answer', path: /manifests/, status: 200, body });
      expect(await puller.ending(`${REGISTRY}/os:v1`), body).to.equal('pulled');
    }
  });

  it('are those of the right folder', async () => {
    mirrored(`server = "${first.url}"`, `${REGISTRY}_5000_`);
    mirrored(`server = "${second.url}"`, `${REGISTRY}:5000`);
    expect(await puller.ending(`${REGISTRY}:5000/os:v1`)).to.equal('pulled');
    expect([pulls(first).length, pulls(second).length]).to.deep.equal([4, 0]);
    mirrored(`server = "${second.url}"`, '_default');
    expect(await puller.ending(`${REGISTRY}/os:v1`)).to.equal('pulled');
    expect([pulls(first).length, pulls(second).length]).to.deep.equal([4, 4]);
    expect(pulls(second)[0]).to.contain(`ns=${REGISTRY}`);
  });

  it('may have another path', async () => {
    mirrored(`server = "${first.url}/proxy/v2"\noverride_path = true`);
    expect(await puller.ending(`${REGISTRY}/os:v1`)).to.match(/^(NotFound|AddressUnsupported)/);
    expect(first.requests[0]?.path).to.equal(`/proxy/v2/os/manifests/v1?ns=${REGISTRY}`);
  });

  it('never get the password of the registry', async () => {
    mirrored(`server = "${second.url}"\n[host."${first.url}"]`);
    const auths = { [REGISTRY]: { auth: Buffer.from('user:pass').toString('base64') } };
    puller.write('root/.docker/config.json', JSON.stringify({ auths }));
    first.setFaults({
      kind: 'answer',
      path: /./,
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="x"' },
    });
    expect(await puller.ending(`${REGISTRY}/os:v1`)).to.equal('pulled');
    expect(first.requests.map(({ headers }) => headers.authorization)).to.deep.equal(
      first.requests.map(() => undefined),
    );
  });

  it('with a file that cannot be read are refused, with its line', async () => {
    mirrored('server = \n');
    expect(await puller.ending(`${REGISTRY}/os:v1`)).to.match(
      /^RegistryConfigInvalid: \/etc\/containerd\/certs\.d\/registry\.invalid\/hosts\.toml: line 1: /,
    );
  });
});

describe('the certificates of a registry', () => {
  let registry: Registry;
  let puller: Puller;
  let reference: string;
  before(async () => {
    registry = await startRegistry({ tls: true });
    reference = `${registry.host}/os:v1`;
    await pushImage(registry, { repository: 'os', tag: 'v1', platforms: [{ layers: [{ tar: TAR }] }] });
  });
  beforeEach(() => {
    puller = createPuller();
  });
  afterEach(() => puller.remove());
  after(() => registry.stop());

  const ca = () => registry.authority?.certificatePem ?? '';
  const hosts = (text: string) => puller.write(`${CERTS}/${registry.host}/hosts.toml`, text);

  for (const dir of ['etc/docker/certs.d', CERTS])
    it(`are checked against the authority in ${dir}`, async () => {
      puller.write(`${dir}/${registry.host}/any.crt`, ca());
      expect(await puller.ending(reference)).to.equal('pulled');
    });

  it('are checked against the ca of hosts.toml, by any path', async () => {
    puller.write('etc/certs/mine.pem', ca());
    puller.write(`${CERTS}/${registry.host}/beside.pem`, ca());
    for (const path of ['"/etc/certs/mine.pem"', '"beside.pem"', '["beside.pem", "/etc/certs/mine.pem"]']) {
      hosts(`ca = ${path}`);
      expect(await puller.ending(reference), path).to.equal('pulled');
    }
  });

  it('are not trusted otherwise, and it is said where to put the authority', async () => {
    const end = await puller.ending(reference);
    expect(end).to.match(/^CertificateInvalid: /);
    expect(end)
      .to.contain(`/etc/containerd/certs.d/${registry.host} as ca.crt`)
      .and.not.to.contain(puller.root);
    puller.write(`etc/docker/certs.d/${registry.host}/ca.crt`, new Authority('another').pair.cert);
    expect(await puller.ending(reference)).to.match(/^CertificateInvalid/);
  });

  it('are checked even where skip_verify is asked for', async () => {
    hosts('skip_verify = true');
    expect(await puller.ending(reference)).to.match(/^CertificateInvalid: .*skip_verify/);
    hosts(`[host."${registry.url}"]\nskip_verify = true\n[host."${registry.url}/"]\nca = "ca.pem"`);
    puller.write(`${CERTS}/${registry.host}/ca.pem`, ca());
    expect(await puller.ending(reference)).to.equal('pulled');
    expect(puller.lines.join()).to.contain('skip_verify is not supported');
  });

  it('that cannot be used are named', async () => {
    const folder = `etc/docker/certs.d/${registry.host}`;
    hosts('ca = "missing.pem"');
    expect(await puller.ending(reference)).to.match(/^CertificateInvalid: .*missing\.pem cannot be read/);
    hosts('');
    puller.write(`${folder}/ca.crt`, 'no certificate');
    expect(await puller.ending(reference)).to.match(/^CertificateInvalid: .*ca\.crt holds no certificate/);
    puller.write(`${folder}/ca.crt`, ca());
    const own = registry.authority?.issue({ commonName: 'node' });
    puller.write(`${folder}/client.cert`, own?.certificatePem ?? '');
    expect(await puller.ending(reference)).to.match(/^CertificateInvalid: .*client\.cert has no client\.key/);
    puller.write(`${folder}/client.key`, new Authority('another').pair.key);
    expect(await puller.ending(reference)).to.match(/^CertificateInvalid: .*client\.key does not belong/);
    puller.write(`${folder}/client.key`, own?.keyPem ?? '');
    expect(await puller.ending(reference)).to.equal('pulled');
  });

  it('are shown by the node where the registry wants one', async () => {
    const closed = await startRegistry({ tls: true, clientCertificates: true });
    try {
      await pushImage(closed, { repository: 'os', tag: 'v1', platforms: [{ layers: [{ tar: TAR }] }] });
      const folder = `${CERTS}/${closed.host}`;
      puller.write(`${folder}/ca.crt`, closed.authority?.certificatePem ?? '');
      expect(await puller.ending(`${closed.host}/os:v1`)).to.match(/^CertificateInvalid: .*client\.cert/);
      const own = closed.authority?.issue({ commonName: 'node' });
      puller.write(`${folder}/client.cert`, own?.certificatePem ?? '');
      puller.write(`${folder}/client.key`, own?.keyPem ?? '');
      expect(await puller.ending(`${closed.host}/os:v1`)).to.equal('pulled');
      for (const name of ['client.cert', 'client.key']) puller.write(`${folder}/${name}`, '');
      puller.write(`${folder}/both.pem`, `${own?.certificatePem}${own?.keyPem}`);
      puller.write(`${folder}/hosts.toml`, 'client = "both.pem"');
      expect(await puller.ending(`${closed.host}/os:v1`)).to.equal('pulled');
    } finally {
      await closed.stop();
    }
  });

  it('are wanted: no plain http after a certificate that is wrong', async () => {
    const plain = await startRegistry();
    try {
      puller.trust(registry, plain.host);
      expect(await puller.ending(`${plain.host}/os:v1`)).to.match(
        /^AddressUnsupported: .*does not speak TLS/,
      );
    } finally {
      await plain.stop();
    }
  });
});
