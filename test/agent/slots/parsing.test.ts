import { expect } from 'chai';
import { deviceNumbers } from '../../../src/agent/slots/device.ts';
import { parseMountInfo, rootMount } from '../../../src/agent/slots/mount-info.ts';
import { parseOsRelease } from '../../../src/agent/slots/os-release.ts';

describe('mount tables', () => {
  const text = `22 1 8:2 / / ro,relatime shared:1 - ext4 /dev/sda2 ro
23 22 0:21 / /proc rw - proc proc rw
40 22 259:12 / /mnt/with\\040space rw,relatime - ext4 /dev/nvme0n1p4 rw
`;
  it('gives numbers, places and sources', () => {
    expect(parseMountInfo(text)[2]).to.deep.equal({
      major: 259,
      minor: 12,
      root: '/',
      mountPoint: '/mnt/with space',
      fsType: 'ext4',
      source: '/dev/nvme0n1p4',
    });
    expect(rootMount(parseMountInfo(text))?.minor).to.equal(2);
  });
  it('takes the mount that covers the others for the root', () => {
    const covered = `${text}50 22 8:3 / / ro - ext4 /dev/sda3 ro\n`;
    expect(rootMount(parseMountInfo(covered))?.minor).to.equal(3);
  });
  it('splits device numbers, large ones too', () => {
    expect(deviceNumbers(0x0802)).to.deep.equal({ major: 8, minor: 2 });
    expect(deviceNumbers(3_212_101)).to.deep.equal({ major: 259, minor: 837 });
    expect(deviceNumbers(17_592_472_537_200)).to.deep.equal({ major: 5000, minor: 70_000 });
  });
});

describe('os-release', () => {
  for (const { what, text, versionId, prettyName } of [
    {
      what: 'plain',
      text: 'VERSION_ID=1.35.1\nPRETTY_NAME=KubeOS',
      versionId: '1.35.1',
      prettyName: 'KubeOS',
    },
    { what: 'quoted', text: `VERSION_ID="1.2"\nPRETTY_NAME='a "b"'`, versionId: '1.2', prettyName: 'a "b"' },
    { what: 'escaped', text: 'PRETTY_NAME="a \\"b\\" \\$5"', versionId: '', prettyName: 'a "b" $5' },
    {
      what: 'repeated',
      text: '# VERSION_ID=0\nVERSION_ID=1\nVERSION_ID=2\r\n',
      versionId: '2',
      prettyName: '',
    },
    { what: 'others', text: 'MY_VERSION_ID=1\nVERSION=3', versionId: '', prettyName: '' },
  ]) {
    it(what, () => expect(parseOsRelease(text)).to.deep.equal({ versionId, prettyName }));
  }
});
