import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir } from '../../../tools/lib/paths.mjs';
import { runProgram } from '../../env/node/run-program.ts';

/** A kernel from the distribution's package, unpacked. */
export interface TestKernel {
  readonly vmlinuz: string;
  /** `lib/modules/<version>`. */
  readonly modulesDir: string;
}

/** The kernel that a Debian package depends on, downloaded once and kept in the cache. Nothing is installed. */
export async function fetchTestKernel(metaPackage = 'linux-image-amd64'): Promise<TestKernel> {
  const name = await realPackage(metaPackage);
  const dir = join(cacheDir(), 'machines', 'kernel', name);
  if (!(await exists(dir))) await unpack(name, dir);
  const version = name.replace(/^linux-image-/, '');
  return { vmlinuz: join(dir, 'boot', `vmlinuz-${version}`), modulesDir: join(dir, 'lib/modules', version) };
}

async function realPackage(metaPackage: string): Promise<string> {
  const name = /Depends: (linux-image-\S+)/.exec(await runProgram('apt-cache', 'depends', metaPackage))?.[1];
  if (name === undefined) throw new Error(`apt knows no kernel by ${metaPackage}: run apt-get update`);
  return name;
}

async function unpack(name: string, dir: string): Promise<void> {
  await mkdir(join(dir, '..'), { recursive: true });
  const scratch = await mkdtemp(`${dir}-`);
  try {
    await runProgram('env', '-C', scratch, 'apt-get', 'download', name);
    const [archive = ''] = await readdir(scratch);
    const tree = join(scratch, 'tree');
    await runProgram('dpkg-deb', '-x', join(scratch, archive), tree);
    await rename(tree, dir).catch(async (error: unknown) => {
      // Another process was faster.
      if (!(await exists(dir))) throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
