import { lstat, mkdir, open, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StalledError } from '../../domain/errors.ts';
import { followLinks } from '../host/follow-links.ts';
import { existsInside, readFileInside } from '../slots/file-system.ts';
import { GUARD_FOLDER, type GuardFiles, SCRIPT_NAME, UNIT_NAME } from './render.ts';

const SCRIPT = `${GUARD_FOLDER}/${SCRIPT_NAME}`;
const UNITS = `${GUARD_FOLDER}/system`;
/**
 * What pulls the unit in. Links below /usr, since systemd takes those below /etc away at the first boot of an image whose
 * presets say so; and the emergency target too, for a system that gets no further.
 */
const WANTS = ['sysinit.target.wants', 'emergency.target.wants'].map(name => `${UNITS}/${name}/${UNIT_NAME}`);
const LINK_TARGET = `../${UNIT_NAME}`;

/** What has to be in a system for the guard to run there; one of each list. */
const NEEDS: readonly (readonly string[])[] = [
  ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'],
  ['/bin/sh'],
  ['/bin/sleep', '/usr/bin/sleep'],
];

/** Tells what the system in an unmounted slot lacks for a guard: undefined if nothing. */
export async function findLack(device: string): Promise<string | undefined> {
  for (const places of NEEDS) {
    const found = [];
    for (const place of places)
      if (found.length === 0 && (await existsInside(device, place))) found.push(place);
    if (found.length === 0) return places[0];
  }
  return undefined;
}

/** Whether an unmounted slot holds exactly this guard, pulled in. */
export async function hasGuard(device: string, files: GuardFiles): Promise<boolean> {
  if ((await readFileInside(device, SCRIPT)) !== files.script) return false;
  for (const link of WANTS) if ((await readFileInside(device, link)) !== files.unit) return false;
  return true;
}

/**
 * Puts a guard into a mounted slot. What pulls it in comes last, and each file is there wholly or as it was before.
 * @param root the folder at which the slot is mounted; no link inside leads out of it
 */
export async function writeGuard(root: string, files: GuardFiles): Promise<void> {
  await assertNotMasked(root);
  await replaceFile(root, SCRIPT, files.script);
  await replaceFile(root, `${UNITS}/${UNIT_NAME}`, files.unit);
  for (const link of WANTS) await replaceLink(root, link);
}

async function assertNotMasked(root: string): Promise<void> {
  const path = `/etc/systemd/system/${UNIT_NAME}`;
  const isThere = await lstat(await place(root, path)).then(
    () => true,
    () => false,
  );
  if (isThere)
    throw new StalledError('GuardUnsupported', `the system has its own ${path}: remove it from the image`);
}

/** Where a path of the slot lies. The folders above it are made; what is there under its name is not followed. */
async function place(root: string, path: string): Promise<string> {
  const folder = await followLinks(root, dirname(path));
  return join(folder, path.slice(dirname(path).length + 1));
}

async function replaceFile(root: string, path: string, text: string): Promise<void> {
  const target = await place(root, path);
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  const fresh = `${target}.new`;
  try {
    await rm(fresh, { force: true });
    const handle = await open(fresh, 'wx', 0o644);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, target);
  } catch (error) {
    await rm(fresh, { force: true }).catch(() => undefined);
    throw error;
  }
}

async function replaceLink(root: string, path: string): Promise<void> {
  const target = await place(root, path);
  if ((await readlink(target).catch(() => '')) === LINK_TARGET) return;
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  await rm(target, { force: true });
  await symlink(LINK_TARGET, target);
}
