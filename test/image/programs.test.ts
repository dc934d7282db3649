import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { runCtl } from '../cli/run-ctl.ts';
import { needsRoot } from '../env/needs-root.ts';
import { type UnpackedImage, unpackImage } from './unpacked-image.ts';

/** What the agent runs, and what people run by `kubectl exec`. */
const PROGRAMS = [
  ...['tar', 'gzip', 'xz', 'zstd', 'mke2fs', 'e2fsck', 'debugfs', 'unshare', 'mount', 'umount', 'blockdev'],
  ...[
    'logger',
    'setpriv',
    'env',
    'sync',
    'dd',
    'rm',
    'cat',
    'chroot',
    'xargs',
    'find',
    'fw_printenv',
    'fw_setenv',
  ],
  ...['sh', 'ls', 'node', 'ctl'],
];

/** Prints the libraries of every program and library; what is no program is passed over. */
const LIBRARIES = `for loader in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do [ -x "$loader" ] && break; done
for file in /usr/bin/* /usr/sbin/* /usr/lib/*-linux-gnu/*.so*; do
  echo "$file:"; "$loader" --list "$file" 2>&1 || true
done`;

const ARCHIVES = `set -e; cd "$(mktemp -d)"; mkdir tree; echo content > tree/file
for packer in gzip xz zstd; do
  tar -cf - tree | "$packer" -c | "$packer" -dc > back.tar
  [ "$(tar -xOf back.tar tree/file)" = content ]
done
printf 'tree/file\\0' | xargs -0 rm -rf --; [ ! -e tree/file ]`;

const FILE_SYSTEM = `set -e; cd "$(mktemp -d)"; truncate -s 16M slot; mkdir mounted
mke2fs -q -t ext4 -L ROOT-B slot; e2fsck -fn slot
unshare --mount --propagation private -- sh -c 'mount -o loop slot mounted; echo new > mounted/file; sync -f mounted; umount mounted'
[ "$(debugfs -R 'cat /file' slot)" = new ]`;

const U_BOOT = `set -e; cd "$(mktemp -d)"; truncate -s 64K environment
echo "$PWD/environment 0x0 0x4000" > fw_env.config; echo bootcount=0 > defaults
fw_setenv -c fw_env.config -f defaults upgrade_available 1
fw_printenv -c fw_env.config -n upgrade_available`;

describe('what is in the container image runs', function () {
  this.timeout(180_000);
  let unpacked: UnpackedImage;
  const run = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await unpacked.run(argv);
    expect(code, `${argv.join(' ')}: ${stderr}`).to.equal(0);
    return stdout;
  };

  before(async function () {
    needsRoot(this, 'running the image');
    unpacked = await unpackImage();
  });
  after(() => unpacked?.remove());

  it('ctl: as in the checkout', async () => {
    for (const args of [['--help'], ['agent', '--help'], ['controller', '--help'], ['create', 'crds']]) {
      const { stdout } = await runCtl(args);
      expect(await run('ctl', ...args), args.join(' ')).to.equal(stdout);
    }
  });

  it('ctl create: YAML alone on stdout', async () => {
    const all = ['create', 'all', '--image', 'registry.example.com/twinslot:9'];
    const { stdout, stderr } = await unpacked.run(['ctl', ...all]);
    expect(stdout).to.equal((await runCtl(all)).stdout);
    expect(stderr).to.equal('');
  });

  it('a trace names functions, and lines of the sources if it is asked to', async () => {
    const trace = async (environment: Record<string, string>) =>
      (
        await unpacked.run(['ctl', 'catalog', 'check', '/nowhere'], {
          environment: { DEBUG: '1', ...environment },
        })
      ).stderr;
    expect(await trace({})).to.match(/at readCatalog \(file:\/\/\/usr\/lib\/twinslot\/lib\//);
    expect(await trace({ NODE_OPTIONS: '--enable-source-maps' })).to.match(
      /readCatalog .*src\/cli\/catalog\.ts:\d+/,
    );
  });

  it('every program that the agent calls is found', async () => {
    const found = await run('sh', '-c', 'for name; do command -v "$name"; done', 'sh', ...PROGRAMS);
    expect(
      found
        .trim()
        .split('\n')
        .map(path => path.split('/').at(-1)),
    ).to.deep.equal(PROGRAMS);
  });

  it('every program finds its libraries', async () => {
    const lines = (await run('sh', '-c', LIBRARIES)).split('\n');
    expect(lines.filter(line => line.includes('libc.so.6 =>'))).to.have.length.above(100);
    expect(lines.filter(line => /not found|cannot open/.test(line))).to.deep.equal([]);
  });

  it('archives are packed and unpacked', () => run('sh', '-c', ARCHIVES));

  it('a file system is made, mounted, filled and looked into', () => run('sh', '-c', FILE_SYSTEM));

  it("U-Boot's environment is written and read", async () => {
    expect((await run('sh', '-c', U_BOOT)).trim()).to.equal('1');
  });

  it('https has roots to trust, those of Debian', async () => {
    const roots = "process.stdout.write(String(require('tls').getCACertificates('system').length))";
    expect(Number(await run('node', '-e', roots))).to.be.above(100);
  });

  it('names are looked up in /etc/hosts, which the container runtime makes', async () => {
    await writeFile(join(unpacked.root, 'etc/hosts'), '192.0.2.7 machine\n');
    const lookup =
      "require('dns').lookup('machine', (error, address) => process.stdout.write(error?.code ?? address))";
    expect(await run('node', '-e', lookup)).to.equal('192.0.2.7');
  });

  it("the host's programs are reached by chroot, for rebooting it", async () => {
    const { code, stdout } = await unpacked.run(['chroot', '/host', 'sh', '-c', 'echo "$0" at home'], {
      hasHost: true,
    });
    expect(code).to.equal(0);
    expect(stdout).to.equal('sh at home\n');
  });
});
