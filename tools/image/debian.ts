import { existsSync } from 'node:fs';
import { link, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../src/domain/errors.ts';
import { readJson } from '../lib/paths.mjs';
import { SetUpError } from '../lib/steps.mjs';
import type { Architecture } from './architecture.ts';
import { runCommand } from './command.ts';
import { digestOfFile } from './layer.ts';
import { step } from './step.ts';

/** The release whose programs the tests run with. */
export const RELEASE = 'bookworm';
export const RELEASE_VERSION = '12';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** What the agent runs on the node, a shell for people, and what Node is linked with. */
const PACKAGES = [
  ...['coreutils', 'dash', 'findutils', 'libubootenv-tool', 'e2fsprogs', 'util-linux', 'mount', 'bsdutils'],
  ...['gzip', 'tar', 'xz-utils', 'zstd', 'ca-certificates', 'libstdc++6', 'libgcc-s1'],
];

/** Needed by the scripts of packages when they are installed, which never happens here. They would bring Perl along. */
const NEVER_INSTALLED = ['debconf', 'debianutils', 'dpkg', 'openssl'];

const PackageSet = z.object({
  /** When Debian's lists were read, milliseconds since 1970. */
  listedAtMs: z.number(),
  packages: z.array(z.object({ file: z.string(), digest: z.string() })),
});

/** A Debian package that lies on this machine. */
export interface DebianPackage {
  readonly path: string;
  readonly digest: string;
}

/** Where the packages come from, and how old Debian's lists may be. */
export interface DebianOptions {
  readonly cache: string;
  readonly architecture: Architecture;
  /** Address of a mirror; that of the security updates is the same with `-security`. */
  readonly mirror: string;
  readonly maxAgeMs: number;
}

/**
 * The packages of the image with all that they depend on, each checked against Debian's signature when it was
 * fetched. Older ones serve when Debian cannot be reached.
 * @throws SetUpError if there are none
 */
export async function ensurePackages(options: DebianOptions): Promise<DebianPackage[]> {
  const known = await readKnown(options);
  if (known !== undefined && Date.now() - known.listedAtMs < options.maxAgeMs) return known.packages;
  try {
    return await step(`Debian packages (${RELEASE}, ${options.architecture})`, () => fetchPackages(options));
  } catch (error) {
    if (known === undefined) throw error;
    const listed = new Date(known.listedAtMs).toISOString();
    process.stderr.write(`  ${messageOf(error)}\n  going on with the packages of ${listed}\n`);
    return known.packages;
  }
}

const listPath = ({ cache, architecture }: DebianOptions): string =>
  join(cache, `packages-${architecture}.json`);

async function readKnown(options: DebianOptions) {
  const set = PackageSet.safeParse(readJson(listPath(options)));
  if (!set.success) return undefined;
  const packages = set.data.packages.map(({ file, digest }) => ({ path: join(options.cache, file), digest }));
  const sizes = await Promise.all(packages.map(({ path }) => stat(path).catch(() => undefined)));
  if (sizes.includes(undefined)) return undefined;
  return { listedAtMs: set.data.listedAtMs, packages };
}

async function fetchPackages(options: DebianOptions): Promise<DebianPackage[]> {
  await mkdir(options.cache, { recursive: true });
  const temp = await mkdtemp(join(options.cache, 'temp-'));
  try {
    const archives = join(temp, 'cache/archives');
    await mkdir(join(archives, 'partial'), { recursive: true });
    const files = await runApt(options, temp, archives);
    const packages = await Promise.all(
      files.map(async file => {
        const path = join(options.cache, file);
        await rename(join(archives, file), path);
        return { path, digest: await digestOfFile(path) };
      }),
    );
    const set = {
      listedAtMs: Date.now(),
      packages: packages.map(({ path, digest }) => ({ file: basename(path), digest })),
    };
    await writeFile(join(temp, 'list.json'), JSON.stringify(set));
    await rename(join(temp, 'list.json'), listPath(options));
    return packages;
  } finally {
    await rm(temp, { recursive: true, force: true });
  }
}

/** Lets apt find and fetch the packages with a state of its own, as any user, and answers their file names. */
async function runApt(options: DebianOptions, temp: string, archives: string): Promise<string[]> {
  const env = { APT_CONFIG: await writeAptConfig(options, temp) };
  const wayOut = `look at the network, or name another mirror than ${options.mirror}`;
  await runCommand(['apt-get', '--quiet', '--error-on=any', 'update'], { env, wayOut });
  const install = ['apt-get', '--quiet', '--yes', 'install', ...PACKAGES];
  const uris = await runCommand([...install, '--print-uris'], { env, wayOut });
  const files = [...uris.matchAll(/^'\S+' (\S+\.deb) /gm)].map(([, file = '']) => file);
  if (files.length === 0) throw new SetUpError(['apt-get named no packages to fetch', wayOut]);
  // What is there already is not fetched, if its digest is right. Only now, as apt names what it would fetch.
  const there = (await readdir(options.cache)).filter(file => files.includes(file));
  await Promise.all(there.map(file => link(join(options.cache, file), join(archives, file))));
  await runCommand([...install, '--download-only'], { env, wayOut });
  return files.sort();
}

async function writeAptConfig({ architecture, mirror }: DebianOptions, temp: string): Promise<string> {
  const suites = [
    ...[`${mirror} ${RELEASE} main`, `${mirror} ${RELEASE}-updates main`],
    `${mirror}-security ${RELEASE}-security main`,
  ];
  const sources = suites.map(suite => `deb [signed-by=${KEYRING}] ${suite}\n`).join('');
  const absent = NEVER_INSTALLED.map(
    name =>
      `Package: ${name}\nStatus: install ok installed\nArchitecture: ${architecture}\nMulti-Arch: foreign\n` +
      'Version: 99\nMaintainer: nobody\nDescription: not needed\n\n',
  );
  const settings = {
    ...{
      'Dir::State': `${temp}/state`,
      'Dir::State::status': `${temp}/status`,
      'Dir::Cache': `${temp}/cache`,
    },
    ...{ 'Dir::Etc::sourcelist': `${temp}/sources.list`, 'Dir::Etc::sourceparts': '/dev/null' },
    ...{ 'Dir::Etc::main': '/dev/null', 'Dir::Etc::parts': `${temp}/parts` },
    ...{ 'Dir::Etc::preferences': '/dev/null', 'Dir::Etc::preferencesparts': '/dev/null' },
    ...{ 'APT::Architecture': architecture, 'APT::Architectures': architecture, 'APT::Sandbox::User': '' },
    ...{ 'APT::Install-Recommends': 'false', 'APT::Install-Suggests': 'false' },
    ...{ 'Acquire::Languages': 'none', 'Debug::NoLocking': 'true' },
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`);
  await mkdir(join(temp, 'state/lists/partial'), { recursive: true });
  await mkdir(join(temp, 'parts'));
  await writeFile(join(temp, 'sources.list'), sources);
  await writeFile(join(temp, 'status'), absent.join(''));
  await writeFile(join(temp, 'apt.conf'), [await readNetworkSettings(), ...lines].join(''));
  return join(temp, 'apt.conf');
}

/** How apt reaches the network here (proxies, retries): the only settings of the machine that count. */
async function readNetworkSettings(): Promise<string> {
  if (!existsSync(KEYRING)) throw new SetUpError([`${KEYRING} is missing: install debian-archive-keyring`]);
  const wayOut = 'this needs apt and dpkg, of Debian or Ubuntu';
  const dump = await runCommand(['apt-config', 'dump'], { wayOut });
  const lines = dump.split('\n').filter(line => /^Acquire::(https?|Retries|Check-|ForceIPv)/.test(line));
  return lines.map(line => `${line}\n`).join('');
}
