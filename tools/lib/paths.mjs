// Where things are. Plain JavaScript, as the set-up runs on the system's Node before anything is installed.
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

/** The checkout. */
export const ROOT = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../..');

/** What is slow to make and outlives the checkout: `$XDG_CACHE_HOME/twinslot`, else `~/.cache/twinslot`. */
export const cacheDir = () => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'twinslot');

/** Folders in which a program may be: PATH, and those that a plain user's PATH lacks. */
export const programFolders = () => [
  ...(process.env.PATH ?? '').split(delimiter).filter(folder => folder !== ''),
  ...['/usr/local/sbin', '/usr/sbin', '/sbin'],
];

/** Tells whether `path` is a file that may be run. */
export function isProgram(/** @type {string} */ path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Absolute path of a program by its name, or `undefined`. */
export const findProgram = (/** @type {string} */ name) =>
  programFolders()
    .map(folder => join(folder, name))
    .find(isProgram);

/** Parsed content of a JSON file, or `undefined` when it is absent or not JSON. */
export function readJson(/** @type {string} */ path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
