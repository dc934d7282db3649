import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { startRegistry } from './registry.ts';
import { pushImage } from './registry-push.ts';
import { REGISTRY_PASSWORD, REGISTRY_USER } from './registry-user.ts';

/** What another program reads of an image, or what it says against it. Tokens come from this process: do not block. */
async function skopeo(...args: string[]): Promise<{ Digest?: string } | string> {
  try {
    const { stdout } = await promisify(execFile)('skopeo', ['inspect', ...args], { timeout: 20_000 });
    return JSON.parse(stdout);
  } catch (error) {
    return String(error);
  }
}

describe('a registry for tests', () => {
  for (const { what, options } of [
    { what: 'open', options: {} },
    { what: 'with TLS and a password', options: { tls: true, auth: 'password' } },
    { what: 'with TLS and tokens', options: { tls: true, auth: 'token' } },
  ] as const)
    it(`is one that skopeo knows: ${what}`, async () => {
      const registry = await startRegistry(options);
      try {
        const { digest } = await pushImage(registry, {
          repository: 'a/b',
          tag: 'v1',
          platforms: [{ layers: [{ tar: Buffer.from('layer'), compression: 'gzip' }] }],
        });
        const certificates = join(registry.dir, 'trusted');
        mkdirSync(certificates);
        if (registry.authority)
          writeFileSync(join(certificates, 'ca.crt'), registry.authority.certificatePem);
        const tls = registry.authority ? `--cert-dir=${certificates}` : '--tls-verify=false';
        const image = `docker://${registry.host}/a/b:v1`;
        const login = `--creds=${REGISTRY_USER}:${REGISTRY_PASSWORD}`;
        expect(await skopeo(tls, login, image)).to.have.property('Digest', digest);
        const wrong = await skopeo(tls, `--creds=${REGISTRY_USER}:wrong`, image);
        if ('auth' in options) expect(wrong).to.match(/unauthorized|denied/);
        else expect(wrong).to.have.property('Digest', digest);
      } finally {
        await registry.stop();
      }
    });

  it('leaves nothing behind', async () => {
    const registry = await startRegistry();
    await registry.stop();
    expect(existsSync(registry.dir)).to.equal(false);
    expect(
      await fetch(`${registry.url}/v2/`).then(
        () => 'answers',
        () => 'is gone',
      ),
    ).to.equal('is gone');
  });
});
