import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { reasonOf } from '../../src/domain/errors.ts';
import { loadConnection } from '../../src/kube/connection.ts';
import { errorOf, fakeTime } from './help.ts';

const fileOf = (server: string, user: object = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user }],
  });

describe('kube/connection', () => {
  let dir: string;
  const write = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'twinslot-connection-'));
    mkdirSync(join(dir, '.kube'));
    for (const [name, text] of Object.entries({ 'ca.crt': 'CA', namespace: 'mono-system\n', token: 'one\n' }))
      write(name, text);
    write('.kube/config', fileOf('https://home'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const IN_POD = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '6443' };
  const ORDER: { name: string; kubeconfig?: true; KUBECONFIG?: true; pod?: true; want: string }[] = [
    { name: 'the given file', kubeconfig: true, KUBECONFIG: true, pod: true, want: 'https://given' },
    { name: 'then KUBECONFIG', KUBECONFIG: true, pod: true, want: 'https://environment' },
    { name: 'then the pod', pod: true, want: 'https://10.0.0.1:6443' },
    { name: 'then the home folder', want: 'https://home' },
  ];
  for (const c of ORDER)
    it(`looks for the API server in ${c.name}`, async () => {
      const environment = {
        HOME: dir,
        ...(c.KUBECONFIG && { KUBECONFIG: write('environment', fileOf('https://environment')) }),
        ...(c.pod && IN_POD),
      };
      const kubeconfig = c.kubeconfig && write('given', fileOf('https://given'));
      const connection = await loadConnection({ kubeconfig, environment, serviceAccountDir: dir });
      expect(connection.server).to.equal(c.want);
    });

  it('says what to do when there is none', async () => {
    expect(reasonOf(await errorOf(loadConnection()))).to.equal('KubeconfigMissing');
    const error = await errorOf(loadConnection({ kubeconfig: join(dir, 'none') }));
    expect(reasonOf(error)).to.equal('KubeconfigMissing');
    expect(error).to.have.property('message').that.contains(join(dir, 'none'));
  });

  it('reads the token of a pod again after a minute, or at once when it was refused', async () => {
    const clock = fakeTime();
    const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1' };
    const connection = await loadConnection({ environment, serviceAccountDir: dir, clock });
    expect(connection).to.deep.include({
      server: 'https://[fd00::1]:443',
      tls: { ca: 'CA' },
      namespace: 'mono-system',
    });
    expect(await connection.authorization()).to.equal('Bearer one');
    write('token', 'two');
    await clock.advance(59_000);
    expect(await connection.authorization()).to.equal('Bearer one');
    await clock.advance(1000);
    expect(await connection.authorization()).to.equal('Bearer two');
    write('token', 'three');
    expect(await connection.authorization(true)).to.equal('Bearer three');
  });

  it('asks an exec plugin for the token', async () => {
    const credential = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token: 'from-plugin' },
    };
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'echo',
      args: [JSON.stringify(credential)],
      interactiveMode: 'Never',
    };
    const kubeconfig = write('plugin', fileOf('https://cloud', { exec }));
    const connection = await loadConnection({ kubeconfig });
    expect(await connection.authorization()).to.equal('Bearer from-plugin');
  }).timeout(10_000);
});
