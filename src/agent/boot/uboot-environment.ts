import { constants } from 'node:fs';
import { access, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { StalledError, TransientError } from '../../domain/errors.ts';
import { followLinks } from '../host/follow-links.ts';
import { hostPath } from '../host/host-path.ts';
import { type RunResult, run } from '../host/run.ts';
import { type EnvironmentCopy, formatFwConfig, parseFwConfig } from './uboot-fw-config.ts';
import { applyChanges, type Changes, type Variables } from './uboot-state.ts';

const TIMEOUT_MS = 30_000;
const LOCK_SECONDS = 5;
/** More than any environment: U-Boot keeps it in memory as a whole. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** A file that cannot be, so that the tools never take a default environment for the board's. */
const NO_DEFAULTS = '/dev/null/none';
/** What `fw_printenv` and `fw_setenv` of either make lock, in the host's root. */
const LOCK_FILE = '/var/lock/fw_printenv.lock';

/** Where the host's root is mounted, and its `fw_env.config` as a path of the host. */
export interface UBootPlace {
  readonly hostRoot: string;
  readonly environmentConfig: string;
}

/**
 * Reads U-Boot's environment. Of two copies the tool takes the newer one whose checksum is right.
 * @throws StalledError `BootEnvironmentInvalid`, `TrialBootUnsupported` with fewer than two copies, `ProgramMissing`
 */
export async function readVariables(place: UBootPlace): Promise<Variables> {
  return withConfig(await copiesOf(place), config => print(place, config));
}

/**
 * Changes some variables by one write, and reads them back: the tool writes the older of the two copies as a whole, so
 * that a power cut leaves either all of the changes or none. What is as it should be is not written.
 * @throws StalledError `BootEnvironmentInvalid`, `TrialBootUnsupported`, `ProgramMissing`
 * @throws TransientError `BootEnvironmentBusy`
 */
export async function changeVariables(place: UBootPlace, changes: Changes): Promise<void> {
  const isDone = (variables: Variables): boolean =>
    [...changes].every(([name, value]) => (variables.get(name) ?? '') === value);
  await withConfig(await copiesOf(place), async config => {
    if (isDone(await print(place, config))) return;
    const script = [...changes].map(([name, value]) => `${name}=${value}\n`).join('');
    const argv = ['fw_setenv', '-c', config, '-f', NO_DEFAULTS, '-s', '-'];
    const result = await runTool([...(await lockArgv(place)), ...argv], script);
    if (result.timedOut || result.code === LOCK_TAKEN) throw busy(place);
    if (result.code !== 0) throw invalid(place, 'cannot be written', result);
    if (!isDone(await print(place, config))) throw invalid(place, 'does not read back as it was written');
  });
}

/**
 * Tells, without writing, whether `changes` could be made.
 * @throws StalledError `BootEnvironmentInvalid`: it is read-only, or full; `TrialBootUnsupported`
 */
export async function assertChangeable(
  place: UBootPlace,
  variables: Variables,
  changes: Changes,
): Promise<void> {
  for (const { path, bytes } of await copiesOf(place)) {
    // Checksum and flag come first.
    if (applyChanges(variables, changes).bytes > bytes - 5)
      throw invalid(
        place,
        'has no room for the variables of a trial: remove what nothing uses (fw_setenv NAME)',
      );
    // Devices have their own ways of write protection, which the tool lifts.
    if (!(await isPlainFile(path))) continue;
    await access(path, constants.W_OK).catch(() => {
      throw invalid(place, `may not be written: mount the file system of ${path} read-write`);
    });
  }
}

const isPlainFile = (path: string): Promise<boolean> =>
  stat(path).then(
    found => found.isFile(),
    () => false,
  );

async function print(place: UBootPlace, config: string): Promise<Variables> {
  const result = await runTool(['fw_printenv', '-c', config, '-f', NO_DEFAULTS]);
  // Not transient: on trial an environment that cannot be read has to end in a fall-back, not in waiting for it.
  if (result.timedOut) throw invalid(place, `does not answer within ${TIMEOUT_MS / 1000} s`);
  // The other make of the tools goes on with defaults that are built in, and says so.
  if (result.code !== 0 || /using default/i.test(result.stderr))
    throw invalid(place, 'cannot be read (or no copy has a right checksum)', result);
  const lines = result.stdout.split('\n').filter(line => line.includes('='));
  return new Map(
    lines.map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
  );
}

function runTool(argv: readonly string[], input?: string): Promise<RunResult> {
  const options = { timeoutMs: TIMEOUT_MS, maxOutputBytes: MAX_OUTPUT_BYTES };
  return run(argv, { ...options, ...(input !== undefined && { input }) });
}

/** What `flock` is told to exit with, and the tools never do. */
const LOCK_TAKEN = 99;

/** Keeps a person's `fw_setenv` on the host away meanwhile, as it would if it ran there. */
async function lockArgv({ hostRoot }: UBootPlace): Promise<string[]> {
  // There the tool takes the same lock itself.
  if (hostRoot === '/') return [];
  const lock = await followLinks(hostRoot, LOCK_FILE);
  const isThere = await access(dirname(lock), constants.W_OK).then(
    () => true,
    () => false,
  );
  return isThere ? ['flock', '-w', `${LOCK_SECONDS}`, '-E', `${LOCK_TAKEN}`, lock] : [];
}

/** The copies, with paths as this process opens them. */
async function copiesOf(place: UBootPlace): Promise<readonly EnvironmentCopy[]> {
  const file = hostPath(place.hostRoot, place.environmentConfig);
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new StalledError(
      'BootEnvironmentInvalid',
      `cannot read ${file}, which tells where U-Boot's environment lies: write it as fw_printenv wants it, or set ` +
        'bootLoader.environmentConfig',
      { cause },
    );
  });
  const copies = parseFwConfig(text);
  if (typeof copies === 'string')
    throw new StalledError(
      'TrialBootUnsupported',
      `${file} ${copies}; build U-Boot with a redundant environment and name both copies, each in a line`,
    );
  return Promise.all(copies.map(async copy => ({ ...copy, path: await seenFromHere(place, copy.path) })));
}

/**
 * A plain file lies below the host's root. A device is named as on the host: the agent's container has them all under
 * the same names, though not the links to them, and the tools know a flash chip by its name.
 */
async function seenFromHere({ hostRoot }: UBootPlace, path: string): Promise<string> {
  const found = await followLinks(hostRoot, path);
  const onHost = `/${relative(hostRoot, found)}`;
  return onHost.startsWith('/dev/') ? onHost : found;
}

async function withConfig<T>(
  copies: readonly EnvironmentCopy[],
  work: (config: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'fw-env-'));
  try {
    const config = join(folder, 'fw_env.config');
    await writeFile(config, formatFwConfig(copies));
    return await work(config);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function invalid(
  { hostRoot, environmentConfig }: UBootPlace,
  problem: string,
  result?: RunResult,
): StalledError {
  const said =
    result === undefined ? '' : ` (${`${result.stderr}${result.stdout}`.trim().split('\n').at(-1)})`;
  return new StalledError(
    'BootEnvironmentInvalid',
    `U-Boot's environment, where ${hostPath(hostRoot, environmentConfig)} says it is, ${problem}${said}`,
  );
}

const busy = ({ hostRoot, environmentConfig }: UBootPlace): TransientError =>
  new TransientError(
    'BootEnvironmentBusy',
    `U-Boot's environment, where ${hostPath(hostRoot, environmentConfig)} says it is, could not be written: another ` +
      'fw_setenv holds its lock, or its device hangs',
  );
