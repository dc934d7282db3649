import { expect } from 'chai';
import { availableVersions, parseCatalog, resolveImage } from '../../src/domain/catalog.ts';
import { StalledError } from '../../src/domain/errors.ts';

const HEX = '99af82a263deca44ad91d21d684f0fa944d5d0456a1da540f1c644f8aa59b14b';

// The document's own sample: entries that nobody asks for are not right.
const SAMPLE = `stable: v1.35.1
images:
  - version: v1.34.6
    url: https://example.invalid/images/monok8s-v1.34.6.img.zst
    checksum: sha256:abc
  - version: v1.35.0
    url: https://example.invalid/images/monok8s-v1.35.0.img.zst
    checksum: sha256:ghi
  - version: v1.35.1
    url: http://localhost:8000/rootfs.ext4.zst
    checksum: sha256:${HEX}
    size: 1858076672 # expanded image size in bytes
    comment: nobody knows this field
blocked:
  - v1.34.0
`;

const entry = (fields: string): string =>
  `images:\n  - version: v1.35.1\n    url: https://a.example/i\n    checksum: sha256:${HEX}\n${fields}`;

const withUrl = (url: string, more = ''): string =>
  `images:\n  - version: v1.35.1\n    url: ${url}\n    checksum: sha256:${HEX}\n${more}`;

const bomb = (): string =>
  Array.from({ length: 9 }, (_, i) =>
    i === 0 ? 'a0: &a0 [x,x,x,x,x,x,x,x,x,x]' : `a${i}: &a${i} [${`*a${i - 1},`.repeat(10)}]`,
  ).join('\n');

const refusalOf = (run: () => unknown): { reason: string; message: string } => {
  try {
    run();
  } catch (error) {
    if (error instanceof StalledError) return { reason: error.reason, message: error.message };
    throw error;
  }
  return { reason: 'none', message: '' };
};

describe('catalog', () => {
  it('resolves stable', () => {
    expect(resolveImage(parseCatalog(SAMPLE), 'stable')).to.deep.equal({
      version: 'v1.35.1',
      url: 'http://localhost:8000/rootfs.ext4.zst',
      checksum: `sha256:${HEX}`,
      size: 1858076672,
    });
  });

  it('resolves a version in the style of the request', () => {
    expect(resolveImage(parseCatalog(SAMPLE), '1.35.1').version).to.equal('1.35.1');
  });

  it('takes certificates and flags over, and an upper-case checksum', () => {
    const text = withUrl(
      'http://a.example/i',
      '    flagSafe: true\n    caCert: ca.crt\n    clientCert: c.crt\n    clientKey: c.key\n    size:\n',
    ).replace(HEX, HEX.toUpperCase());
    expect(resolveImage(parseCatalog(text), 'v1.35.1')).to.deep.equal({
      version: 'v1.35.1',
      url: 'http://a.example/i',
      checksum: `sha256:${HEX}`,
      flagSafe: true,
      caCert: 'ca.crt',
      clientCert: 'c.crt',
      clientKey: 'c.key',
    });
  });

  const inRegistry: { name: string; text: string; want: object }[] = [
    {
      name: 'by a tag, without a checksum',
      text: withUrl('oci://registry/os:v1').replace(/ +checksum: .*\n/, ''),
      want: { version: 'v1.35.1', url: 'oci://registry/os:v1' },
    },
    {
      name: 'by a tag, with the digest that it had',
      text: withUrl('oci://registry:5000/os:v1'),
      want: { version: 'v1.35.1', url: 'oci://registry:5000/os:v1', checksum: `sha256:${HEX}` },
    },
    {
      name: 'by a digest',
      text: withUrl(`oci://registry/os@sha256:${HEX}`).replace(/ +checksum: .*\n/, ''),
      want: { version: 'v1.35.1', url: `oci://registry/os@sha256:${HEX}` },
    },
  ];
  for (const { name, text, want } of inRegistry)
    it(`an image in a registry ${name}`, () =>
      expect(resolveImage(parseCatalog(text), 'v1.35.1')).to.deep.equal(want));

  it('keeps 1.30 apart from 1.3', () => {
    const text = withUrl('https://a.example/i').replace('v1.35.1', '1.30');
    expect(parseCatalog(text).images[0]?.version).to.equal('1.30');
  });

  it('lists what is available, newest first', () => {
    expect(availableVersions(parseCatalog(SAMPLE))).to.deep.equal(['v1.35.1', 'v1.35.0', 'v1.34.6']);
  });

  const refusals: { name: string; text: string; ask?: string; reason: string; message: RegExp }[] = [
    {
      name: 'version not in the catalog',
      text: SAMPLE,
      ask: 'v1.35.3',
      reason: 'VersionNotInCatalog',
      message: /^v1\.35\.3 is not in the catalog: it has v1\.35\.1, v1\.35\.0, v1\.34\.6$/,
    },
    { name: 'empty catalog', text: 'images: []', reason: 'VersionNotInCatalog', message: /it has none$/ },
    { name: 'blocked', text: SAMPLE, ask: 'v1.34.0', reason: 'VersionBlocked', message: /blocks v1\.34\.0/ },
    {
      name: 'blocked stable',
      text: `stable: v1.35.1\n${entry('')}blocked: [1.35.1]`,
      ask: 'stable',
      reason: 'VersionBlocked',
      message: /blocks v1\.35\.1/,
    },
    {
      name: 'no stable',
      text: entry(''),
      ask: 'stable',
      reason: 'NoStableVersion',
      message: /spec\.version/,
    },
    {
      name: 'bad checksum',
      text: SAMPLE,
      ask: 'v1.34.6',
      reason: 'ChecksumInvalid',
      message: /line 5, column 15.*sha256sum/,
    },
    {
      name: 'http',
      text: withUrl('http://a.example/i'),
      reason: 'InsecureAddress',
      message: /flagSafe: true/,
    },
    {
      name: 'http, flag off',
      text: withUrl('http://a.example/i', '    flagSafe: false\n'),
      reason: 'InsecureAddress',
      message: /https/,
    },
    {
      name: 'http to a host that only looks local',
      text: withUrl('http://127.0.0.1.evil.example/i'),
      reason: 'InsecureAddress',
      message: /https/,
    },
    {
      name: 'other scheme',
      text: withUrl('ftp://a.example/i'),
      reason: 'AddressInvalid',
      message: /https:\/\//,
    },
    { name: 'no address', text: withUrl("''"), reason: 'AddressInvalid', message: /"url"/ },
    {
      name: 'password',
      text: withUrl('https://u:p@a.example/i'),
      reason: 'AddressInvalid',
      message: /password/,
    },
    {
      name: 'a registry without a repository',
      text: withUrl('oci://a.example'),
      reason: 'ReferenceInvalid',
      message: /^"url" of v1\.35\.1 in the catalog \(line \d+, column \d+\) names no repository/,
    },
    {
      name: 'a registry and a checksum that is none',
      text: withUrl('oci://a.example/os:1').replace(HEX, 'abc'),
      reason: 'ChecksumInvalid',
      message: /digest of the image: sha256: .* or left out$/,
    },
    {
      name: 'a registry with a password',
      text: withUrl('oci://u:hunter2@a.example/os:1'),
      reason: 'ReferenceInvalid',
      message: /^(?!.*hunter2).*pull secret/,
    },
    {
      name: 'size 0',
      text: entry('    size: 0\n'),
      reason: 'CatalogMalformed',
      message: /line 5, column 11.*"size"/,
    },
    {
      name: 'size in words',
      text: entry('    size: 2 GiB\n'),
      reason: 'CatalogMalformed',
      message: /"size" of v1\.35\.1/,
    },
    {
      name: 'flag maybe',
      text: entry('    flagSafe: maybe\n'),
      reason: 'CatalogMalformed',
      message: /"flagSafe"/,
    },
    {
      name: 'path',
      text: entry('    caCert: ../../shadow\n'),
      reason: 'CertificateInvalid',
      message: /"caCert".*folder/,
    },
    {
      name: 'certificate without key',
      text: entry('    clientCert: c.crt\n'),
      reason: 'CertificateInvalid',
      message: /"clientKey".*missing/,
    },
    {
      name: 'twice the same version',
      text: `${entry('')}  - version: 1.35.1\n`,
      reason: 'DuplicateVersion',
      message: /line 2, column 14 and at line 5, column 14/,
    },
    {
      name: 'not YAML',
      text: 'images:\n  - [a\nb: c',
      reason: 'CatalogMalformed',
      message: /at line 3, column 1: not valid YAML/,
    },
    { name: 'empty', text: '', reason: 'CatalogMalformed', message: /line 1, column 1.*"images"/ },
    { name: 'a list', text: '- a', reason: 'CatalogMalformed', message: /line 1, column 1/ },
    {
      name: 'images missing',
      text: 'stable: v1',
      reason: 'CatalogMalformed',
      message: /"images" must be a list/,
    },
    {
      name: 'images no list',
      text: 'x: 1\nimages: 3',
      reason: 'CatalogMalformed',
      message: /line 2, column 9: "images"/,
    },
    {
      name: 'blocked no list',
      text: 'images: []\nblocked: v1',
      reason: 'CatalogMalformed',
      message: /line 2, column 10: "blocked"/,
    },
    {
      name: 'stable no version',
      text: 'images: []\nstable: [a]',
      reason: 'CatalogMalformed',
      message: /line 2, column 9: "stable"/,
    },
    {
      name: 'a field twice',
      text: 'images:\n  - version: v1\n    version: v2',
      reason: 'CatalogMalformed',
      message: /line 3, column 5.*before/,
    },
    { name: 'alias bomb', text: `${bomb()}\nimages: []`, reason: 'CatalogMalformed', message: /aliases/ },
    {
      name: 'two documents',
      text: 'images: []\n---\nimages: []',
      reason: 'CatalogMalformed',
      message: /multiple docs/,
    },
    { name: 'deep', text: `images: ${'['.repeat(5000)}`, reason: 'CatalogMalformed', message: /line 1/ },
    {
      name: 'too large',
      text: `# ${'x'.repeat(1_048_576)}\nimages: []`,
      reason: 'CatalogTooLarge',
      message: /1 MiB/,
    },
  ];
  for (const { name, text, ask = 'v1.35.1', reason, message } of refusals) {
    it(`refuses: ${name}`, () => {
      const refusal = refusalOf(() => resolveImage(parseCatalog(text), ask));
      expect(refusal.reason).to.equal(reason);
      expect(refusal.message).to.match(message);
    });
  }

  it('never quotes what it cannot read', () => {
    const { message } = refusalOf(() => parseCatalog('root:x:0:0:secret\n  - : [secret\n*secret'));
    expect(message).not.to.contain('secret');
  });

  it('is not slowed down by many fields', () => {
    const text = `images: []\n${Array.from({ length: 50_000 }, (_, i) => `k${i}:`).join('\n')}`;
    expect(parseCatalog(text).images).to.deep.equal([]);
  });
});
