// Makes a fresh machine ready for `npm test`, `npm run demo` and `npm run bench`: system programs, npm packages
// (among them the right Node) and the programs of a Kubernetes control plane; with `--packages-only` (`npm run image`)
// the npm packages alone. Silent when all is there. Plain JavaScript without packages, as it runs on whatever Node
// (20 or later) the machine has.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { missingPrograms } from './lib/binaries.mjs';
import { buildProblems, buildPrograms } from './lib/build.mjs';
import { arePackagesReady, installPackages } from './lib/packages.mjs';
import { cacheDir } from './lib/paths.mjs';
import { SetUpError } from './lib/steps.mjs';
import { installSystemPrograms, missingSystemPrograms, systemProblems } from './lib/system-programs.mjs';

const IS_LOCKED = process.argv.includes('--locked');
const IS_PACKAGES_ONLY = process.argv.includes('--packages-only');
const BUSY = 75;

const isReady = () =>
  arePackagesReady() &&
  (IS_PACKAGES_ONLY || (missingSystemPrograms().length === 0 && missingPrograms().length === 0));

/** Does what is missing, all problems that a person has to solve being named before the first slow step. */
async function setUp() {
  if (IS_PACKAGES_ONLY) return installPackages();
  const programs = missingPrograms();
  const problems = [...systemProblems(), ...buildProblems(programs)];
  if (problems.length > 0) throw new SetUpError(problems);
  // Ctrl-C ends the step that runs, and that ends us, after what is half done has been removed.
  process.on('SIGINT', () => undefined);
  await installSystemPrograms();
  await installPackages();
  await buildPrograms(programs);
}

/** Runs this file again under a lock, so that two set-ups of one user never do the same work at once. */
function setUpLocked() {
  mkdirSync(cacheDir(), { recursive: true });
  const run = (/** @type {string[]} */ options) =>
    spawnSync(
      'flock',
      [
        ...options,
        '--close',
        join(cacheDir(), 'setup.lock'),
        process.execPath,
        ...process.argv.slice(1),
        '--locked',
      ],
      { stdio: 'inherit' },
    );
  let result = run(['--nonblock', '--conflict-exit-code', String(BUSY)]);
  if (result.status === BUSY) {
    console.error('another set-up is at work: waiting for it …');
    result = run([]);
  }
  if (result.error) throw new SetUpError([`install util-linux, which has flock: ${result.error.message}`]);
  process.exitCode = result.status ?? 1;
}

try {
  if (isReady()) process.exitCode = 0;
  else if (IS_LOCKED) await setUp();
  else setUpLocked();
} catch (error) {
  console.error(error instanceof SetUpError ? `\n${error.message}\n` : error);
  process.exitCode = 1;
}
