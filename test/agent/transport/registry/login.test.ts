import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { type Registry, startRegistry } from '../../../env/registry.ts';
import { startRegistryProxy } from '../../../env/registry-proxy.ts';
import { pushImage } from '../../../env/registry-push.ts';
import { REGISTRY_PASSWORD, REGISTRY_USER } from '../../../env/registry-user.ts';
import { eventually } from '../../../env/wait.ts';
import { createPuller, type Puller, readAll } from './puller.ts';

const TAR = randomBytes(100_000);
const base64 = (user: string, password: string): string =>
  Buffer.from(`${user}:${password}`).toString('base64');
const RIGHT = base64(REGISTRY_USER, REGISTRY_PASSWORD);
const WRONG = base64(REGISTRY_USER, 'not-this-one');

for (const auth of ['password', 'token'] as const) {
  describe(`logging in to a registry by ${auth}`, () => {
    let registry: Registry;
    let puller: Puller;
    before(async () => {
      registry = await startRegistry({ tls: true, auth });
      await pushImage(registry, {
        repository: 'team/os',
        tag: 'v1',
        platforms: [{ layers: [{ tar: TAR }, { tar: TAR }] }],
      });
    });
    beforeEach(() => {
      puller = createPuller();
      puller.trust(registry);
    });
    afterEach(() => puller.remove());
    after(() => registry.stop());

    const ending = (config?: object) => {
      if (config !== undefined) puller.write('root/.docker/config.json', JSON.stringify(config));
      return puller.ending(`${registry.host}/team/os:v1`);
    };

    it('works with the password of the node', async () => {
      expect(await ending({ auths: { [registry.host]: { auth: RIGHT } } })).to.equal('pulled');
    });

    it('works with user and password in plain', async () => {
      const plain = { username: REGISTRY_USER, password: REGISTRY_PASSWORD };
      expect(await ending({ auths: { [`https://${registry.host}/v1/`]: plain } })).to.equal('pulled');
    });

    it('works with the password for a part of the registry, and prefers it', async () => {
      const auths = { [registry.host]: { auth: WRONG }, [`${registry.host}/team`]: { auth: RIGHT } };
      expect(await ending({ auths })).to.equal('pulled');
    });

    it('goes on to the next password when one is refused', async () => {
      puller.write('secret.json', JSON.stringify({ auths: { [registry.host]: { auth: WRONG } } }));
      expect(await ending({ auths: { [registry.host]: { auth: RIGHT } } })).to.equal('pulled');
    });

    for (const { what, config } of [
      { what: 'no password', config: undefined },
      { what: 'a wrong one', config: (host: string) => ({ auths: { [host]: { auth: WRONG } } }) },
      { what: 'one for elsewhere', config: () => ({ auths: { 'other.example': { auth: RIGHT } } }) },
      {
        what: 'one for another part',
        config: (host: string) => ({ auths: { [`${host}/tea`]: { auth: RIGHT } } }),
      },
    ])
      it(`is denied with ${what}, and told where to put one`, async () => {
        const end = await ending(config?.(registry.host));
        expect(end).to.match(/^AccessDenied: /);
        expect(end).to.contain('secret.json').and.to.contain('/root/.docker/config.json');
        expect(end).to.contain('node-agent-registry');
      });

    it('names helpers in the log, which are not run', async () => {
      expect(await ending({ credHelpers: { [registry.host]: 'gcloud' } })).to.match(/^AccessDenied/);
      expect(puller.lines.join())
        .to.contain('credential helpers are not supported')
        .and.to.contain('credHelpers');
      expect(await ending({ credsStore: 'desktop' })).to.match(/^AccessDenied/);
      expect(puller.lines.at(-1)).to.contain('credsStore');
    });

    it('names a file that cannot be read in the log, without what stands there', async () => {
      puller.write('secret.json', `{"auths": {"x": "${REGISTRY_PASSWORD}`);
      expect(await ending({ auths: { [registry.host]: { auth: RIGHT } } })).to.equal('pulled');
      expect(puller.lines.join()).to.contain('secret.json').and.not.to.contain(REGISTRY_PASSWORD);
      puller.write(
        'secret.json',
        JSON.stringify({ auths: { [registry.host]: { auth: REGISTRY_PASSWORD } } }),
      );
      expect(await ending()).to.equal('pulled');
      expect(puller.lines.join()).to.contain('base64').and.not.to.contain(REGISTRY_PASSWORD);
    });
  });
}

describe('tokens of a registry', () => {
  let registry: Registry;
  let puller: Puller;
  before(async () => {
    registry = await startRegistry({ auth: 'token', anonymousPull: true });
    await pushImage(registry, {
      repository: 'os',
      tag: 'v1',
      platforms: [{ layers: [{ tar: TAR }, { tar: TAR }] }],
    });
  });
  beforeEach(() => {
    puller = createPuller();
    registry.tokens?.setLifetime(300);
    registry.tokens?.setFailure(undefined);
  });
  afterEach(() => puller.remove());
  after(() => registry.stop());
  const asked = () => registry.tokens?.requests ?? [];

  it('are had without a password where anybody may pull, even with one that is wrong', async () => {
    expect(await puller.ending(`${registry.host}/os:v1`)).to.equal('pulled');
    expect(asked().at(-1)?.user).to.equal('');
    expect(asked().at(-1)?.scope).to.equal('repository:os:pull');
    puller.write('root/.docker/config.json', JSON.stringify({ auths: { [registry.host]: { auth: WRONG } } }));
    expect(await puller.ending(`${registry.host}/os:v1`)).to.equal('pulled');
  });

  it('are asked for once for an image, and anew when they expire in between', async () => {
    const before = asked().length;
    registry.tokens?.setLifetime(2);
    const image = await puller.open(`${registry.host}/os:v1`);
    expect(asked().length - before).to.equal(1);
    const token = registry.tokens?.issue('os', ['pull']) ?? '';
    await eventually(
      async () => {
        const headers = { authorization: `Bearer ${token}` };
        return (await registry.ask('os', '/v2/os/manifests/v1', { headers })).status === 401;
      },
      { timeoutMs: 10_000, what: 'the token has expired' },
    );
    registry.tokens?.setLifetime(300);
    for (const layer of image.layers) expect((await readAll(layer.open())).equals(TAR)).to.equal(true);
    await image.close();
    expect(asked().length - before).to.equal(2);
  });

  it('are had for an identity token', async () => {
    const identitytoken = registry.tokens?.refreshToken;
    const auths = {
      [registry.host]: { auth: base64('00000000-0000-0000-0000-000000000000', ''), identitytoken },
    };
    puller.write('root/.docker/config.json', JSON.stringify({ auths }));
    expect(await puller.ending(`${registry.host}/os:v1`)).to.equal('pulled');
    expect(asked().at(-1)).to.include({ method: 'POST', user: REGISTRY_USER });
  });

  it('may be given instead of a password', async () => {
    const before = asked().length;
    const auths = { [registry.host]: { registrytoken: registry.tokens?.issue('os', ['pull']) } };
    puller.write('root/.docker/config.json', JSON.stringify({ auths }));
    expect(await puller.ending(`${registry.host}/os:v1`)).to.equal('pulled');
    expect(asked().length).to.equal(before);
  });

  it('are asked for again while their server is busy', async () => {
    registry.tokens?.setFailure(503);
    const image = puller.open(`${registry.host}/os:v1`, {
      onRetry: (reason, message) => {
        expect(`${reason}: ${message}`).to.match(/^DownloadFailed: .*\/token answers HTTP 503/);
        registry.tokens?.setFailure(undefined);
      },
    });
    await (await image).close();
  });

  it('are not asked for at addresses that a registry must not lead to', async () => {
    const proxy = await startRegistryProxy(registry);
    try {
      const before = asked().length;
      const path = /./;
      for (const [realm, want] of [
        ['http://169.254.169.254/latest/meta-data', 'AddressForbidden'],
        ['https://[::ffff:169.254.169.254]/x', 'AddressForbidden'],
        ['https://user:pass@tokens.example/', 'AccessDenied'],
        ['ftp://tokens.example/', 'AccessDenied'],
        ['nonsense', 'AccessDenied'],
      ] as const) {
        const set = { 'www-authenticate': `Bearer realm="${realm}",service="x"` };
        proxy.setFaults({ kind: 'headers', path, set });
        expect(await puller.ending(`${proxy.host}/os:v1`), realm).to.match(new RegExp(`^${want}: `));
      }
      expect(asked().length).to.equal(before);
    } finally {
      await proxy.close();
    }
  });
});
