import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { locateOnDisk } from '../../../src/agent/slots/on-disk.ts';

const MOUNTS = `22 1 8:9003 / / ro - ext4 /dev/sda2 ro
30 22 8:9001 / /boot/efi rw - vfat /dev/sda1 rw
31 22 8:9004 /var /var rw - ext4 /dev/sda4 rw
32 31 0:44 / /var/lib/shared rw - nfs server:/x rw
`;

describe('where a path lies on the disks', () => {
  let root = '';
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'on-disk-'));
    await put('proc/1/mountinfo', MOUNTS);
  });
  afterEach(() => rm(root, { recursive: true }));

  const put = async (path: string, text = ''): Promise<string> => {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), text);
    return join(root, path);
  };

  it('goes by the nearest mount', async () => {
    expect(await locateOnDisk(root, await put('boot/efi/EFI/x/grubenv'))).to.deep.equal({
      ...{ path: '/boot/efi/EFI/x/grubenv', inside: '/EFI/x/grubenv' },
      ...{ mountPoint: '/boot/efi', fsType: 'vfat', device: {} },
    });
  });

  it('knows of mounts that show a folder of the file system', async () => {
    expect(await locateOnDisk(root, join(root, 'var/lib/node-agent'))).to.deep.include({
      path: '/var/lib/node-agent',
      inside: '/var/lib/node-agent',
      mountPoint: '/var',
    });
  });

  it('names no device where there is none', async () => {
    const found = await locateOnDisk(root, join(root, 'var/lib/shared/node-agent'));
    expect(found).to.deep.equal({
      ...{ path: '/var/lib/shared/node-agent', inside: '/node-agent' },
      ...{ mountPoint: '/var/lib/shared', fsType: 'nfs' },
    });
  });

  it('takes the path as it stands where no mounts are shown', async () => {
    await rm(join(root, 'proc'), { recursive: true });
    expect(await locateOnDisk(root, join(root, 'a/b'))).to.deep.equal({
      ...{ path: '/a/b', inside: '/a/b', mountPoint: '/', fsType: '' },
    });
  });
});
