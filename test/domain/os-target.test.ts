import { expect } from 'chai';
import { OSSpec, StoredOSSpec } from '../../src/api/openeuler/index.ts';
import { messageOf, reasonOf } from '../../src/domain/errors.ts';
import { targetOfOS } from '../../src/domain/os-target.ts';
import { rolloutKeyOfOS } from '../../src/domain/request-os.ts';

const HEX = '0123456789abcdef'.repeat(4);
const base = {
  osversion: 'KubeOS 1.0.1',
  opstype: 'upgrade',
  maxunavailable: 1,
  imagetype: 'disk',
  imageurl: 'https://images.example/os.tar',
  checksum: HEX,
};
const target = (spec: object) => targetOfOS(OSSpec.parse({ ...base, ...spec }));
const image = (spec: object) => target(spec).plan.image;
const docker = { imagetype: 'docker', imageurl: '', checksum: '' };

describe('targetOfOS', () => {
  it('of a disk image', () =>
    expect(target({})).to.deep.equal({
      version: 'KubeOS 1.0.1',
      plan: {
        kind: 'upgrade',
        targetVersion: 'KubeOS 1.0.1',
        versionField: 'PRETTY_NAME',
        image: { url: 'https://images.example/os.tar', checksum: `sha256:${HEX}` },
      },
    }));

  it('of a rollback: nothing of the image fields counts, wrong as they may be', () =>
    expect(
      target({ opstype: 'rollback', imagetype: '', imageurl: 'x', checksum: 'y', mtls: true }),
    ).to.deep.equal({
      version: 'KubeOS 1.0.1',
      plan: { kind: 'rollback', targetVersion: 'KubeOS 1.0.1', versionField: 'PRETTY_NAME' },
    }));

  const images: { name: string; spec: object; want: object }[] = [
    {
      name: 'a checksum as sha256sum prints it',
      spec: { checksum: HEX.toUpperCase() },
      want: { url: base.imageurl, checksum: `sha256:${HEX}` },
    },
    {
      name: 'a checksum with its kind in front',
      spec: { checksum: `sha256:${HEX}` },
      want: { url: base.imageurl, checksum: `sha256:${HEX}` },
    },
    {
      name: 'plain http without flagSafe: the agent is to refuse it',
      spec: { imageurl: 'http://images.example/os.tar' },
      want: { url: 'http://images.example/os.tar', checksum: `sha256:${HEX}`, flagSafe: false },
    },
    {
      name: 'plain http with flagSafe; mtls and certificates count for https alone',
      spec: { imageurl: 'http://images.example/os.tar', flagSafe: true, mtls: true, cacert: '../ca' },
      want: { url: 'http://images.example/os.tar', checksum: `sha256:${HEX}`, flagSafe: true },
    },
    {
      name: 'https with an authority',
      spec: { cacert: 'ca.pem', clientcert: 'unused', flagSafe: true },
      want: { url: base.imageurl, checksum: `sha256:${HEX}`, caCert: 'ca.pem' },
    },
    {
      name: 'https with certificates on both sides',
      spec: { mtls: true, cacert: 'ca.pem', clientcert: 'node.crt', clientkey: 'node.key' },
      want: {
        url: base.imageurl,
        checksum: `sha256:${HEX}`,
        caCert: 'ca.pem',
        clientCert: 'node.crt',
        clientKey: 'node.key',
        mtls: true,
      },
    },
    {
      name: 'a container image by its older name; mtls does not apply',
      spec: { ...docker, dockerimage: 'repo/os:1', mtls: true },
      want: { reference: 'repo/os:1' },
    },
    {
      name: 'by its newer name, with the digest beside it',
      spec: { ...docker, imagetype: 'containerd', containerimage: 'r.example:5000/os:1', checksum: HEX },
      want: { reference: 'r.example:5000/os:1', checksum: `sha256:${HEX}` },
    },
    {
      name: 'by both names, which say the same',
      spec: { ...docker, containerimage: 'repo/os:1', dockerimage: 'repo/os:1' },
      want: { reference: 'repo/os:1' },
    },
    {
      name: 'by a digest',
      spec: { ...docker, containerimage: `repo/os@sha256:${HEX}` },
      want: { reference: `repo/os@sha256:${HEX}` },
    },
  ];
  for (const { name, spec, want } of images) it(name, () => expect(image(spec)).to.deep.equal(want));

  const refused: { name: string; spec: object; want: string; message: RegExp }[] = [
    { name: 'no image type', spec: { imagetype: '' }, want: 'ImageTypeMissing', message: /spec\.imagetype/ },
    { name: 'no address', spec: { imageurl: '' }, want: 'ImageMissing', message: /spec\.imageurl/ },
    {
      name: 'an address of another kind',
      spec: { imageurl: 'ftp://a/b' },
      want: 'AddressInvalid',
      message: /https:\/\/ or http:\/\//,
    },
    {
      name: 'the placeholder of the document',
      spec: { imageurl: 'edit.image.url' },
      want: 'AddressInvalid',
      message: /spec\.imageurl/,
    },
    {
      name: 'an address with a password, which is not repeated',
      spec: { imageurl: 'https://u:hunter2@a/b' },
      want: 'AddressInvalid',
      message: /^(?!.*hunter2).*password/,
    },
    { name: 'no checksum', spec: { checksum: '' }, want: 'ChecksumInvalid', message: /spec\.checksum/ },
    { name: 'a short one', spec: { checksum: 'abc' }, want: 'ChecksumInvalid', message: /64 hex digits/ },
    {
      name: 'one of another kind',
      spec: { checksum: `md5:${HEX}` },
      want: 'ChecksumInvalid',
      message: /SHA-256/,
    },
    {
      name: 'mtls without an authority',
      spec: { mtls: true, clientcert: 'a', clientkey: 'b' },
      want: 'CertificateInvalid',
      message: /spec\.cacert is empty/,
    },
    {
      name: 'mtls without a key',
      spec: { mtls: true, cacert: 'a', clientcert: 'b' },
      want: 'CertificateInvalid',
      message: /spec\.clientkey is empty/,
    },
    {
      name: 'a certificate outside its folder',
      spec: { cacert: '../../etc/shadow' },
      want: 'CertificateInvalid',
      message: /spec\.cacert must be the name of a file/,
    },
    { name: 'the folder above', spec: { cacert: '..' }, want: 'CertificateInvalid', message: /spec\.cacert/ },
    {
      name: 'a certificate by its path',
      spec: { cacert: '/etc/KubeOS/certs/ca.pem' },
      want: 'CertificateInvalid',
      message: /without a path/,
    },
    { name: 'no container image', spec: docker, want: 'ImageMissing', message: /containerimage/ },
    {
      name: 'two different ones',
      spec: { ...docker, containerimage: 'a/b:1', dockerimage: 'a/b:2' },
      want: 'ImageMissing',
      message: /spec\.containerimage and its older name spec\.dockerimage differ/,
    },
    {
      name: 'a reference that is none, by the name of its field',
      spec: { ...docker, dockerimage: 'Repo/Name:1 ' },
      want: 'ReferenceInvalid',
      message: /^spec\.dockerimage /,
    },
    {
      name: 'the placeholder of the document',
      spec: { ...docker, dockerimage: 'dockerimage like repository/name:tag' },
      want: 'ReferenceInvalid',
      message: /^spec\.dockerimage /,
    },
    {
      name: 'a checksum of a container image that is none',
      spec: { ...docker, dockerimage: 'a/b:1', checksum: 'x' },
      want: 'ChecksumInvalid',
      message: /spec\.checksum/,
    },
    {
      name: 'a version of blanks',
      spec: { osversion: '  ' },
      want: 'VersionMissing',
      message: /spec\.osversion/,
    },
    {
      name: 'a budget of nobody',
      spec: { maxunavailable: 0 },
      want: 'MaxUnavailableInvalid',
      message: /spec\.maxunavailable is 0/,
    },
  ];
  describe('refuses', () => {
    for (const { name, spec, want, message } of refused)
      it(name, () => {
        let caught: unknown;
        try {
          target(spec);
        } catch (error) {
          caught = error;
        }
        expect(reasonOf(caught)).to.equal(want);
        expect(messageOf(caught)).to.match(message);
      });
  });

  it('says that a version without a number is not compared', () => {
    expect(target({ osversion: 'KubeOS latest' }).note?.reason).to.equal('VersionUnchecked');
    expect(target({ osversion: 'KubeOS latest', opstype: 'rollback' }).note).to.equal(undefined);
  });
});

describe('rolloutKeyOfOS', () => {
  const key = (spec: object): string => rolloutKeyOfOS(StoredOSSpec.parse({ ...base, ...spec }));
  const began = key({});

  const others: Record<string, object> = {
    imageurl: { imageurl: 'https://images.example/other.tar' },
    osversion: { osversion: 'KubeOS 1.0.2' },
    checksum: { checksum: HEX.replace('0', '1') },
    maxunavailable: { maxunavailable: 2 },
    flagSafe: { flagSafe: true },
    dockerimage: { dockerimage: 'a/b:1' },
    containerimage: { containerimage: 'a/b:1' },
    opstype: { opstype: 'rollback' },
    imagetype: { imagetype: 'docker' },
    mtls: { mtls: true },
    cacert: { cacert: 'ca.pem' },
    clientcert: { clientcert: 'node.crt' },
    clientkey: { clientkey: 'node.key' },
    nodeselector: { nodeselector: 'x' },
    'sysconfigs with something in them': { sysconfigs: { version: 'v1' } },
    'upgradeconfigs with something in them': { upgradeconfigs: { version: 'v1' } },
  };
  for (const [name, spec] of Object.entries(others))
    it(`another rollout: ${name}`, () => expect(key(spec)).not.to.equal(began));

  const same: Record<string, object> = {
    timewindow: { timewindow: { starttime: '01:00:00', endtime: '02:00:00' } },
    timeinterval: { timeinterval: 60 },
    executionmode: { executionmode: 'serial' },
    evictpodforce: { evictpodforce: false },
    'empty sysconfigs': { sysconfigs: { version: '' }, upgradeconfigs: { version: '', configs: [] } },
    'what is empty in one generation and absent in the other': {
      flagSafe: false,
      mtls: false,
      dockerimage: '',
      containerimage: '',
      cacert: '',
      nodeselector: 'no-label',
    },
  };
  for (const [name, spec] of Object.entries(same))
    it(`the same rollout: ${name}`, () => expect(key(spec)).to.equal(began));

  it('dockerimage and containerimage are one field with two names', () =>
    expect(key({ ...docker, dockerimage: 'a/b:1' })).to.equal(key({ ...docker, containerimage: 'a/b:1' })));

  it('no two fields stand for each other', () =>
    expect(key({ cacert: 'a' })).not.to.equal(key({ clientcert: 'a' })));
});
