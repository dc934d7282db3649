import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SetUpError } from '../lib/steps.mjs';
import { type Architecture, libraryFolder } from './architecture.ts';
import { runCommand } from './command.ts';
import { type DebianPackage, RELEASE_VERSION } from './debian.ts';
import { listFiles, plainModes, removeAll } from './tree.ts';

/** What nobody needs in a container: manuals, translations, character sets, units, and scripts for installing. */
const UNWANTED = [
  ...['usr/share/man', 'usr/share/info', 'usr/share/locale', 'usr/share/lintian', 'usr/share/bug'],
  ...['usr/share/bash-completion', 'usr/share/doc-base', 'usr/share/debianutils', 'usr/share/gdb'],
  ...['usr/share/gcc', 'usr/share/initramfs-tools', 'usr/share/menu', 'usr/share/util-linux'],
  ...['usr/lib/systemd', 'usr/lib/udev', 'usr/lib/init', 'usr/lib/tmpfiles.d', 'usr/share/ca-certificates'],
  ...['etc/cron.d', 'etc/cron.daily', 'etc/init.d', 'etc/default', 'etc/logcheck', 'etc/ca-certificates'],
  ...['etc/e2scrub.conf', 'usr/sbin/e2scrub', 'usr/sbin/e2scrub_all', 'usr/sbin/update-ca-certificates'],
];

/** Folders that programs and container runtimes expect. */
const FOLDERS = ['dev', 'etc', 'host', 'proc', 'root', 'run', 'sys', 'tmp', 'var/lib', 'var/tmp'];

/** 65532 is the user of the controller's Deployment. */
const FILES = {
  'etc/passwd': [
    'root:x:0:0:root:/root:/bin/sh',
    'twinslot:x:65532:65532:twinslot:/tmp:/bin/sh',
    'nobody:x:65534:65534:nobody:/nonexistent:/bin/sh',
  ],
  'etc/group': ['root:x:0:', 'tty:x:5:', 'disk:x:6:', 'twinslot:x:65532:', 'nogroup:x:65534:'],
  'etc/nsswitch.conf': ['passwd: files', 'group: files', 'hosts: files dns'],
  'etc/os-release': [
    `PRETTY_NAME="twinslot on Debian ${RELEASE_VERSION}"`,
    ...['NAME="Debian GNU/Linux"', 'ID=debian', `VERSION_ID="${RELEASE_VERSION}"`],
  ],
};

/** Unpacks Debian packages into a root file system. Nothing of them is run, so it may be of another processor. */
export async function fillSystem(
  root: string,
  packages: readonly DebianPackage[],
  architecture: Architecture,
): Promise<void> {
  await mergeUsr(root, architecture);
  for (const { path } of packages) await unpack(path, root);
  await writeCertificates(root);
  await removeAll(root, UNWANTED);
  await removeAll(
    root,
    ['gconv', 'audit', 'security'].map(name => `usr/lib/${libraryFolder(architecture)}/${name}`),
  );
  await keepCopyrightsOnly(root);
  for (const folder of FOLDERS) await mkdir(join(root, folder), { recursive: true });
  for (const [path, lines] of Object.entries(FILES))
    await writeFile(join(root, path), `${lines.join('\n')}\n`);
  await symlink('../proc/self/mounts', join(root, 'etc/mtab'));
  await symlink('/run', join(root, 'var/run'));
  await plainModes(root);
  for (const folder of ['tmp', 'var/tmp']) await chmod(join(root, folder), 0o1777);
}

/** Packages hold files in /bin and /lib too, which are links in a Debian of today. */
async function mergeUsr(root: string, architecture: Architecture): Promise<void> {
  for (const name of ['bin', 'sbin', 'lib', ...(architecture === 'amd64' ? ['lib64'] : [])]) {
    await mkdir(join(root, 'usr', name), { recursive: true });
    await symlink(`usr/${name}`, join(root, name));
  }
}

async function unpack(path: string, root: string): Promise<void> {
  const wayOut = 'install dpkg and tar of Debian';
  const archive = `${root}.tar`;
  await writeTar(path, archive);
  // Not `dpkg-deb --extract`: it would put folders where the links of the merged /usr are.
  const options = ['--no-same-owner', '--same-permissions', '--keep-directory-symlink'];
  await runCommand(['tar', '--extract', ...options, `--file=${archive}`, '-C', root], { wayOut });
  await rm(archive);
  const name = basename(path).replace(/_.*/, '');
  // Where scanners of images look for packages that were not installed by dpkg.
  const status = join(root, 'var/lib/dpkg/status.d', name);
  await mkdir(dirname(status), { recursive: true });
  await writeFile(status, await runCommand(['dpkg-deb', '--field', path], { wayOut }));
}

async function writeTar(path: string, archive: string): Promise<void> {
  const output = await open(archive, 'w');
  try {
    const child = spawn('dpkg-deb', ['--fsys-tarfile', path], { stdio: ['ignore', output.fd, 'inherit'] });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new SetUpError([`dpkg-deb ended with ${code} on ${path}`]);
  } finally {
    await output.close();
  }
}

/** What the scripts of ca-certificates do when it is installed, for the one file that programs read. */
async function writeCertificates(root: string): Promise<void> {
  const folder = join(root, 'usr/share/ca-certificates');
  const files = (await listFiles(folder)).filter(file => file.endsWith('.crt'));
  const texts = await Promise.all(files.map(file => readFile(join(folder, file), 'utf8')));
  await mkdir(join(root, 'etc/ssl/certs'), { recursive: true });
  const bundle = texts.map(text => `${text.trimEnd()}\n`).join('');
  await writeFile(join(root, 'etc/ssl/certs/ca-certificates.crt'), bundle);
}

/** Licences have to be passed on, manuals have not. */
async function keepCopyrightsOnly(root: string): Promise<void> {
  const folder = join(root, 'usr/share/doc');
  const entries = await readdir(folder, { withFileTypes: true });
  for (const { name } of entries.filter(entry => entry.isDirectory())) {
    const unwanted = (await readdir(join(folder, name))).filter(file => file !== 'copyright');
    await removeAll(join(folder, name), unwanted);
  }
}
