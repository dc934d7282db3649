import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** A kernel module and its file's content. */
export interface KernelModule {
  readonly name: string;
  readonly content: Buffer;
}

/**
 * Reads modules together with those that they need, each after what it needs. A name that has no module is left out:
 * the kernel has it built in, or has it not.
 * @param modulesDir `/lib/modules/<version>` of a tree; `depmod` need not have run there, as modules say themselves what they need
 */
export async function readModules(modulesDir: string, names: readonly string[]): Promise<KernelModule[]> {
  const files = await findModules(join(modulesDir, 'kernel'));
  const found = new Map<string, KernelModule>();
  const add = async (name: string): Promise<void> => {
    const file = files.get(name);
    if (file === undefined || found.has(name)) return;
    const content = await readFile(file);
    for (const needed of neededBy(content)) await add(needed);
    found.set(name, { name, content });
  };
  for (const name of names) await add(canonical(name));
  return [...found.values()];
}

async function findModules(dir: string): Promise<Map<string, string>> {
  const paths = await readdir(dir, { recursive: true });
  const modules = paths.filter(path => path.endsWith('.ko'));
  return new Map(modules.map(path => [canonical(basename(path, '.ko')), join(dir, path)]));
}

/** The kernel takes a dash and an underscore in a module's name for the same. */
const canonical = (name: string): string => name.replaceAll('-', '_');

/** What the module's section `.modinfo` says in `depends=`, and the soft dependencies that go before. */
function neededBy(module: Buffer): string[] {
  const text = module.toString('latin1');
  const hard = /(?<=\0)depends=([^\0]*)\0/.exec(text)?.[1]?.split(',') ?? [];
  const soft = [...text.matchAll(/(?<=\0)softdep=pre:([^\0]*)\0/g)].flatMap(([, list = '']) =>
    list.split(' '),
  );
  return [...hard, ...soft].filter(name => name !== '' && name !== 'post:').map(canonical);
}
