import { expect } from 'chai';
import { reasonOf } from '../../src/domain/errors.ts';
import { type Kubeconfig, parseKubeconfig } from '../../src/kube/kubeconfig.ts';
import { errorOf } from './help.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const readText = async (path: string) => `content of ${path}`;

const fileOf = (cluster: object, user: object, context: object = {}): string =>
  JSON.stringify({
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', ...context } }],
    clusters: [{ name: 'c', cluster: { server: 'https://api:6443/', ...cluster } }],
    users: [{ name: 'u', user }],
  });

const parse = (text: string) => parseKubeconfig([{ path: '/home/me/.kube/config', text }], readText);

const GOOD: { name: string; text: string; want: Partial<Kubeconfig> }[] = [
  {
    name: 'server without the slash at its end, namespace default, no identity',
    text: fileOf({}, {}),
    want: { server: 'https://api:6443', namespace: 'default', tls: {}, user: { type: 'none' } },
  },
  {
    name: "the context's namespace",
    text: fileOf({}, {}, { namespace: 'team' }),
    want: { namespace: 'team' },
  },
  {
    name: 'certificates in the file, and the name to expect',
    text: fileOf(
      { 'certificate-authority-data': base64('CA'), 'tls-server-name': 'api.example' },
      { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') },
    ),
    want: { tls: { ca: 'CA', cert: 'CERT', key: 'KEY', servername: 'api.example' } },
  },
  {
    name: 'certificates beside the file',
    text: fileOf(
      { 'certificate-authority': 'ca.crt' },
      { 'client-certificate': '/etc/c.crt', 'client-key': '../k' },
    ),
    want: {
      tls: {
        ca: 'content of /home/me/.kube/ca.crt',
        cert: 'content of /etc/c.crt',
        key: 'content of /home/me/k',
      },
    },
  },
  { name: 'a token', text: fileOf({}, { token: 't' }), want: { user: { type: 'token', token: 't' } } },
  {
    name: 'a token file, which wins over a token',
    text: fileOf({}, { token: 't', tokenFile: 'token' }),
    want: { user: { type: 'tokenFile', path: '/home/me/.kube/token' } },
  },
  {
    name: 'an exec plugin',
    text: fileOf({}, { exec: { command: 'aws' } }),
    want: { user: { type: 'plugin' } },
  },
  {
    name: 'an auth provider',
    text: fileOf({}, { 'auth-provider': { name: 'oidc' } }),
    want: { user: { type: 'plugin' } },
  },
];

const BAD: { name: string; text: string; reason: string; message: RegExp }[] = [
  { name: 'no YAML', text: 'users: [{ token: secret', reason: 'KubeconfigInvalid', message: /not YAML/ },
  { name: 'empty', text: '', reason: 'KubeconfigInvalid', message: /current-context/ },
  {
    name: 'a context without its cluster',
    text: fileOf({}, {}, { cluster: 'gone' }),
    reason: 'KubeconfigInvalid',
    message: /no cluster gone/,
  },
  {
    name: 'a server that is no address',
    text: fileOf({ server: 'api' }, {}),
    reason: 'KubeconfigInvalid',
    message: /clusters\.0\.cluster\.server/,
  },
  {
    name: 'no check of the certificate',
    text: fileOf({ 'insecure-skip-tls-verify': true }, {}),
    reason: 'KubeconfigUnsupported',
    message: /insecure-skip-tls-verify is refused: give certificate-authority-data/,
  },
  {
    name: 'a proxy',
    text: fileOf({ 'proxy-url': 'http://p' }, {}),
    reason: 'KubeconfigUnsupported',
    message: /proxy-url/,
  },
  {
    name: 'a password',
    text: fileOf({}, { username: 'me', password: 'secret' }),
    reason: 'KubeconfigUnsupported',
    message: /token/,
  },
];

describe('kube/kubeconfig', () => {
  for (const c of GOOD)
    it(`reads ${c.name}`, async () => expect(await parse(c.text)).to.deep.include(c.want));

  for (const c of BAD)
    it(`refuses ${c.name}: ${c.reason}`, async () => {
      const error = await errorOf(parse(c.text));
      expect(reasonOf(error)).to.equal(c.reason);
      expect(error).to.have.property('message').that.matches(c.message).and.does.not.contain('secret');
    });

  it('takes several files for one: the first that names something wins', async () => {
    const other = fileOf({ server: 'https://other' }, { token: 'other' }, { namespace: 'other' });
    const files = [
      { path: '/a/config', text: 'clusters: [{ name: c, cluster: { server: "https://first" } }]' },
      { path: '/b/config', text: other },
    ];
    expect(await parseKubeconfig(files, readText)).to.deep.include({
      server: 'https://first',
      namespace: 'other',
      user: { type: 'token', token: 'other' },
    });
  });
});
