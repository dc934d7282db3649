import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../../env/node/run-program.ts';
import { cached } from '../cache.ts';

const SUITE = 'bookworm';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const PREFIX = 'aarch64-linux-gnu-';
const RECIPE = 1;

/** A U-Boot for QEMU's board `virt`, and kernels for it that say which slot they came from. */
export interface UBootBuild {
  readonly firmware: string;
  readonly kernels: Readonly<Record<'A' | 'B', string>>;
}

/**
 * Builds U-Boot from Debian's source package in a minute, or takes the one that was built earlier. Debian's own builds
 * for QEMU neither count boots nor keep two copies of their environment.
 */
export async function buildUBoot(): Promise<UBootBuild> {
  const [config, kernel] = await Promise.all(
    ['board.config', 'kernel.S'].map(name => readFile(join(import.meta.dirname, name), 'utf8')),
  );
  const dir = await cached('u-boot', { SUITE, RECIPE, config, kernel }, async work => {
    await buildFirmware(work);
    for (const slot of ['A', 'B']) await buildKernel(work, slot);
  });
  return {
    firmware: join(dir, 'u-boot.bin'),
    kernels: { A: join(dir, 'Image-A'), B: join(dir, 'Image-B') },
  };
}

async function buildFirmware(dir: string): Promise<void> {
  const source = await fetchSource(join(dir, 'source'));
  const make = (...targets: string[]) =>
    runProgram('make', '-s', '-j2', '-C', source, `CROSS_COMPILE=${PREFIX}`, ...targets);
  await make('qemu_arm64_defconfig');
  const config = join(source, '.config');
  const added = await readFile(join(import.meta.dirname, 'board.config'), 'utf8');
  // Of two lines about the same thing the last one counts.
  await writeFile(config, `${await readFile(config, 'utf8')}\n${added}`);
  await make('olddefconfig');
  await make('u-boot.bin');
  await runProgram('cp', join(source, 'u-boot.bin'), dir);
  await rm(join(dir, 'source'), { recursive: true });
}

/** Unpacks what Debian has of U-Boot's sources; needs neither root nor a line in the system's own lists. */
async function fetchSource(dir: string): Promise<string> {
  await mkdir(join(dir, 'lists/partial'), { recursive: true });
  const list = `deb-src [signed-by=${KEYRING}] http://deb.debian.org/debian ${SUITE} main\n`;
  await writeFile(join(dir, 'sources.list'), list);
  const options = [
    `Dir::Etc::sourcelist=${dir}/sources.list`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State::lists=${dir}/lists`,
    `Dir::Cache=${dir}`,
    'APT::Sandbox::User=',
    'Debug::NoLocking=true',
  ].flatMap(option => ['-o', option]);
  await runProgram('apt-get', ...options, '-qq', 'update');
  const script = 'cd "$1" && shift && exec apt-get "$@"';
  await runProgram(
    'sh',
    '-c',
    script,
    'sh',
    dir,
    ...options,
    '-qq',
    'source',
    '--download-only',
    '--tar-only',
    'u-boot',
  );
  const archive = (await readdir(dir)).find(name => name.includes('.orig.tar.'));
  if (archive === undefined) throw new Error(`${SUITE} has no sources of U-Boot`);
  const source = join(dir, 'u-boot');
  await mkdir(source);
  await runProgram('tar', '-C', source, '--strip-components=1', '-xf', join(dir, archive));
  return source;
}

async function buildKernel(dir: string, slot: string): Promise<void> {
  const elf = join(dir, `kernel-${slot}.elf`);
  const options = ['-nostdlib', '-static', '-Wl,--build-id=none', '-Wl,-Ttext=0', `-DSLOT="${slot}"`];
  await runProgram(`${PREFIX}gcc`, ...options, '-o', elf, join(import.meta.dirname, 'kernel.S'));
  await runProgram(`${PREFIX}objcopy`, '-O', 'binary', elf, join(dir, `Image-${slot}`));
  await rm(elf);
}
