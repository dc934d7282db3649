// The npm packages, and with them the Node that this project runs on.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, readJson } from './paths.mjs';
import { runStep, SetUpError } from './steps.mjs';

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean }} LockedPackage
 * @typedef {{ packages?: { [path: string]: LockedPackage } }} Lockfile
 */

/** Tells whether node_modules is what package-lock.json says, and a right Node is there for the next npm script. */
export function arePackagesReady() {
  /** @type {Lockfile} */
  const wanted = readJson(join(ROOT, 'package-lock.json')) ?? {};
  /** @type {Lockfile} */
  const installed = readJson(join(ROOT, 'node_modules/.package-lock.json')) ?? {};
  return hasRightNode() && Object.entries(wanted.packages ?? {}).every(isInstalled);

  /** @param {[string, LockedPackage]} entry */
  function isInstalled([path, { version, integrity, optional }]) {
    if (path === '') return true;
    const found = installed.packages?.[path];
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity;
  }
}

/** Installs the packages if they are not there, from package-lock.json alone. */
export async function installPackages() {
  if (arePackagesReady()) return;
  // npm names its own file when it starts us; a user's npmrc may leave out packages, or be strict about the Node
  // that runs npm, which is not the Node that runs the project. No package needs an install script.
  const npm = process.env.npm_execpath ?? '';
  const command = npm.endsWith('npm-cli.js') ? [process.execPath, npm] : ['npm'];
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--engine-strict=false', '--ignore-scripts'];
  await runStep(
    'installing the npm packages of package-lock.json',
    [...command, 'ci', '--include=dev', '--include=optional', ...quiet],
    { cwd: ROOT, wayOut: 'look at the network and `npm config get registry`, then try again' },
  );
  if (hasRightNode()) return;
  const major = wantedMajor();
  throw new SetUpError([
    `there is no npm package of Node ${major} for ${process.platform}-${process.arch}: put Node ${major} on PATH`,
  ]);
}

/** npm puts node_modules/.bin first on PATH: the Node there wins over that of the machine. */
const hasRightNode = () =>
  existsSync(join(ROOT, 'node_modules/.bin/node')) || process.versions.node.startsWith(`${wantedMajor()}.`);

const wantedMajor = () =>
  /"node": ">=(\d+)/.exec(readFileSync(join(ROOT, 'package.json'), 'utf8'))?.[1] ?? '24';
