import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { expect } from 'chai';
import { runCtl } from './run-ctl.ts';

const SUM = `sha256:${'0123456789abcdef'.repeat(4)}`;
const entry = (version: string, checksum = SUM): string =>
  `  - { version: ${version}, url: "https://images.example.com/${version}.img.zst", checksum: "${checksum}", size: 268435456 }\n`;

const CATALOG = `stable: v1.35.1
images:
${entry('v1.36.0')}${entry('v1.35.1')}${entry('v1.34.1')}${entry('v1.33.9')}${entry('v1.35.9', 'sha256:abc')}${entry('v1.35.0')}
blocked: [v1.35.0]
`;

const check = (stdin: string, ...options: string[]) =>
  runCtl(['catalog', 'check', '-', ...options], { stdin });

/** VERSION and RESULT of every row, and the first word of DETAIL where it is a reason. */
const rowsOf = (stdout: string): string[] =>
  stdout
    .trim()
    .split('\n')
    .slice(3)
    .map(line => line.split(/ {2,}/))
    .map(([version, result, detail]) =>
      result === 'refused' ? `${version} ${result} ${detail?.split(':')[0]}` : `${version} ${result}`,
    );

describe('ctl catalog check', function () {
  this.timeout(10_000);

  it('says for each entry what a request for it would get', async () => {
    const { code, stdout, stderr } = await check(CATALOG);
    expect(code, stderr).to.equal(0);
    expect(stdout.split('\n')[0]).to.equal('6 images; stable is v1.35.1; blocked: v1.35.0');
    expect(rowsOf(stdout)).to.deep.equal([
      'v1.36.0 ok',
      'v1.35.1 ok',
      'v1.34.1 ok',
      'v1.33.9 ok',
      'v1.35.9 refused ChecksumInvalid',
      'v1.35.0 refused VersionBlocked',
    ]);
    expect(stdout).to.contain('stable: https://images.example.com/v1.35.1.img.zst, 256 MiB expanded');
  });

  it('--from: tells downgrades, skipped minors and the same version', async () => {
    const { code, stdout } = await check(CATALOG, '--from', 'v1.34.1');
    expect(code).to.equal(0);
    expect(rowsOf(stdout)).to.deep.equal([
      'v1.36.0 refused VersionSkew',
      'v1.35.1 upgrade',
      'v1.34.1 same',
      'v1.33.9 refused Downgrade',
      'v1.35.9 refused ChecksumInvalid',
      'v1.35.0 refused VersionBlocked',
    ]);
  });

  const failures: { name: string; text: string; options?: string[]; want: RegExp; code?: number }[] = [
    {
      name: 'YAML that is none',
      text: 'stable: v1\nimages:\n  - version: [\n',
      want: /malformed at line \d+, column \d+/,
    },
    {
      name: 'images that are no list',
      text: 'images: v1\n',
      want: /malformed at line 1, column 9: "images" must be a list/,
    },
    {
      name: 'a stable version that is not there',
      text: `stable: v9.9.9\nimages:\n${entry('v1.35.1')}`,
      want: /stable: v9\.9\.9 is not in the catalog: it has v1\.35\.1/,
    },
    {
      name: 'nothing that could be installed',
      text: `images:\n${entry('v1.35.1', 'sha256:abc')}`,
      want: /has no image that could be installed/,
    },
    { name: 'no images', text: 'images: []\n', want: /the catalog lists no images/ },
    {
      name: '--want a version that is not there',
      text: CATALOG,
      options: ['--want', 'v1.35.3'],
      want: /v1\.35\.3 is not in the catalog: it has v1\.36\.0/,
    },
    {
      name: '--from that is no version',
      text: CATALOG,
      options: ['--from', 'yesterday'],
      want: /--from yesterday is not a version such as v1\.34\.1/,
      code: 2,
    },
  ];
  for (const { name, text, options = [], want, code: expected = 1 } of failures)
    it(`fails on ${name}`, async () => {
      const { code, stderr } = await check(text, ...options);
      expect(code).to.equal(expected);
      expect(stderr).to.match(want);
    });

  it('--want: passes for a version that is there', async () => {
    expect((await check(CATALOG, '--want', 'stable')).code).to.equal(0);
  });

  it('warns of a tag that is not held by a digest', async () => {
    const { code, stdout } = await check(
      `images:\n  - { version: v1.35.1, url: "oci://registry.example/os:v1" }\n  - { version: v1.35.2, url: "oci://registry.example/os:v2", checksum: "${SUM}" }\n`,
    );
    expect(code).to.equal(0);
    const [loose, held] = stdout.trim().split('\n').slice(3);
    expect(loose).to.match(
      /ok +oci:\/\/registry\.example\/os:v1; warning: a tag may come to name another image/,
    );
    expect(held).not.to.contain('warning');
  });

  it('tells that a file cannot be read', async () => {
    const { code, stderr } = await runCtl(['catalog', 'check', join(import.meta.dirname, 'none.yaml')]);
    expect(code).to.equal(1);
    expect(stderr).to.match(/^ctl: cannot read .*none\.yaml: ENOENT/);
  });

  describe('at an address', () => {
    let server: Server;
    let address: string;

    before(async () => {
      server = createServer((request, response) => {
        if (request.url === '/images.yaml') response.end(CATALOG);
        else response.writeHead(404).end('secret page');
      });
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
      const bound = server.address();
      address = `http://127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`;
    });
    after(() => server.close());

    it('is read, with a note that the controller does not read plain http by itself', async () => {
      const { code, stdout, stderr } = await runCtl(['catalog', 'check', `${address}/images.yaml`]);
      expect(code).to.equal(0);
      expect(rowsOf(stdout)).to.have.length(6);
      expect(stderr).to.match(/--allow-http-catalogs/);
    });

    it('tells that it is not there, without quoting the answer', async () => {
      const { code, stderr } = await runCtl(['catalog', 'check', `${address}/none`]);
      expect(code).to.equal(1);
      expect(stderr)
        .to.match(/HTTP status 404/)
        .and.not.to.match(/secret/);
    });
  });
});
