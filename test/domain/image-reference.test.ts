import { expect } from 'chai';
import { formatImageReference, parseImageReference } from '../../src/domain/image-reference.ts';

const HEX = 'a'.repeat(64);
const DIGEST = `sha256:${HEX}`;
const LONG = `sha512:${'b'.repeat(128)}`;

const hub = (repository: string, rest: object = { tag: 'latest' }) => ({
  host: 'docker.io',
  repository,
  ...rest,
});

describe('an image reference', () => {
  for (const [text, want] of Object.entries({
    busybox: hub('library/busybox'),
    'busybox:1.36': hub('library/busybox', { tag: '1.36' }),
    'kubeos/os:v2': hub('kubeos/os', { tag: 'v2' }),
    'docker.io/busybox': hub('library/busybox'),
    'index.docker.io/busybox:1': hub('library/busybox', { tag: '1' }),
    'Docker.IO/busybox': hub('library/busybox'),
    'a.b/c': { host: 'a.b', repository: 'c', tag: 'latest' },
    'a.b/c/d__e/f.g-h---i:T_1.x-y': { host: 'a.b', repository: 'c/d__e/f.g-h---i', tag: 'T_1.x-y' },
    'localhost/c': { host: 'localhost', repository: 'c', tag: 'latest' },
    'host:5000/c': { host: 'host:5000', repository: 'c', tag: 'latest' },
    'HOST/c:1': { host: 'host', repository: 'c', tag: '1' },
    '127.0.0.1:5000/c:1': { host: '127.0.0.1:5000', repository: 'c', tag: '1' },
    '[::1]:5000/c:1': { host: '[::1]:5000', repository: 'c', tag: '1' },
    '[2001:db8::1]/c': { host: '[2001:db8::1]', repository: 'c', tag: 'latest' },
    [`busybox@${DIGEST}`]: hub('library/busybox', { digest: DIGEST }),
    [`h.x/c:1@${DIGEST}`]: { host: 'h.x', repository: 'c', tag: '1', digest: DIGEST },
    [`h.x/c@${LONG}`]: { host: 'h.x', repository: 'c', digest: LONG },
    'oci://registry/os:v2': { host: 'registry', repository: 'os', tag: 'v2' },
    'oci://docker.io/os': hub('library/os'),
    [`oci://h:1/a/b@${DIGEST}`]: { host: 'h:1', repository: 'a/b', digest: DIGEST },
    [`h.x/${'a'.repeat(255)}`]: { host: 'h.x', repository: 'a'.repeat(255), tag: 'latest' },
    [`h.x/c:${'t'.repeat(128)}`]: { host: 'h.x', repository: 'c', tag: 't'.repeat(128) },
  }))
    it(`reads ${text.slice(0, 60)}`, () => expect(parseImageReference(text)).to.deep.equal(want));

  for (const [text, part] of Object.entries({
    '': 'is empty',
    'oci://': 'is empty',
    'oci://busybox': 'names no repository',
    'https://h.x/c': 'is a web address',
    'oci://https://h.x/c': 'is a web address',
    ' busybox': 'the repository',
    'busybox ': 'the repository',
    'busybox\n': 'the repository',
    'h.x/': 'the repository',
    'h.x//c': 'the repository',
    'h.x/c/': 'the repository',
    '/c': 'the repository',
    'h.x/../c': 'the repository',
    'h.x/a/../../c': 'the repository',
    'h.x/..': 'the repository',
    'h.x/a%2f..': 'the repository',
    'h.x/a?b': 'the repository',
    'h.x/a#b': 'the repository',
    'h.x/a\\b': 'the repository',
    'h.x/a___b': 'the repository',
    'h.x/a..b': 'the repository',
    'h.x/-a': 'the repository',
    'h.x/Upper': 'the repository',
    'h.x/ä': 'the repository',
    [`h.x/${'a'.repeat(256)}`]: 'the repository',
    'h.x/c:': 'the tag',
    'h.x/c:-a': 'the tag',
    'h.x/c:a b': 'the tag',
    'h.x/c:1\n': 'the tag',
    [`h.x/c:${'t'.repeat(129)}`]: 'the tag',
    'h.x:5000:6000/c': 'the host',
    'h_x.y/c': 'the host',
    '-h.x/c': 'the host',
    'h..x/c': 'the host',
    'oci:///c': 'the host',
    '[::1/c': 'the host',
    '[1.2.3.4]/c': 'the host',
    '[:::]:1/c': 'the host',
    'h.x:0/c': 'the port',
    'h.x:65536/c': 'the port',
    'h.x/c@': 'the digest',
    'h.x/c@sha256:': 'the digest',
    'h.x/c@sha256:abc': 'the digest',
    [`h.x/c@sha256:${HEX.toUpperCase()}`]: 'the digest',
    [`h.x/c@md5:${'a'.repeat(32)}`]: 'the digest',
    [`h.x/c@${DIGEST}\n`]: 'the digest',
    [`h.x/c@${DIGEST}@${DIGEST}`]: 'the repository',
  }))
    it(`refuses ${JSON.stringify(text.slice(0, 60))}, naming ${part}`, () =>
      expect(() => parseImageReference(text, 'dockerimage'))
        .to.throw(`dockerimage `)
        .with.property('message')
        .that.contains(part));

  for (const text of ['u:hunter2@h.x/c', 'oci://u:hunter2@h.x/c:1', `u:hunter2@h.x/c@${DIGEST}`])
    it('never repeats a password', () =>
      expect(() => parseImageReference(text))
        .to.throw('pull secret')
        .with.property('message')
        .that.does.not.contain('hunter2'));

  it('is written in full', () => {
    for (const text of ['docker.io/library/busybox:1', `h.x:1/c:1@${DIGEST}`, `[::1]:5000/c@${DIGEST}`])
      expect(formatImageReference(parseImageReference(text))).to.equal(text);
  });
});
