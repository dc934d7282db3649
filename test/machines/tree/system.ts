import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checksumOf } from '../../env/images.ts';
import { runProgram } from '../../env/node/run-program.ts';
import { cached } from '../cache.ts';
import { makeSlotImage } from '../disk/slot-image.ts';
import { systemTree } from './system-tree.ts';

/** Size of a slot of the emulated machines. */
export const SLOT_MIB = 192;
const RECIPE = 2;

/** What is different in one system from all others. */
export interface SystemSpec {
  /** `VERSION_ID`, such as `v1.35.1`. */
  readonly version: string;
  /** `PRETTY_NAME`, which the kubelet reports as `osImage`. Default `KubeOS <version without v>`. */
  readonly prettyName?: string;
  /** Path inside the system → its content; null removes it, `-> target` makes a symbolic link. */
  readonly files?: Readonly<Record<string, string | Buffer | null>>;
  /** Paths of `files` that may be executed. */
  readonly executable?: readonly string[];
}

/** A file that a node can install, in plain and in compressed form. */
export interface SystemFile {
  readonly path: string;
  readonly zstPath: string;
  /** `sha256:<hex>` of `path` and of `zstPath`. */
  readonly checksum: string;
  readonly zstChecksum: string;
  /** Of `path`. */
  readonly sizeBytes: number;
}

/** The system as an ext4 file system of `SLOT_MIB`. */
export const rawSystem = (spec: SystemSpec): Promise<SystemFile> =>
  systemFile('raw', spec, (tree, path) => makeSlotImage({ tree, sizeMiB: SLOT_MIB, out: path }));

/** The system as a tar of its root file system, as KubeOS ships it. */
export const tarSystem = (spec: SystemSpec): Promise<SystemFile> =>
  systemFile('tar', spec, async (tree, path) => {
    await runProgram(
      'tar',
      '-C',
      tree,
      '--xattrs',
      '--xattrs-include=*',
      '--numeric-owner',
      '-cf',
      path,
      '.',
    );
  });

async function systemFile(
  kind: string,
  spec: SystemSpec,
  make: (tree: string, path: string) => Promise<void>,
): Promise<SystemFile> {
  const base = await systemTree();
  const dir = await cached(`${kind}-${spec.version}`, [RECIPE, SLOT_MIB, base, kind, spec], async work => {
    const tree = join(work, 'tree');
    // Hard links: a file is replaced here, never changed.
    await runProgram('cp', '-al', base, tree);
    await applySpec(tree, spec);
    const path = join(work, 'system');
    await make(tree, path);
    await rm(tree, { recursive: true });
    await runProgram('zstd', '-1', '-q', '-T2', path);
    const facts = {
      checksum: await checksumOf(path),
      zstChecksum: await checksumOf(`${path}.zst`),
      sizeBytes: (await stat(path)).size,
    };
    await writeFile(join(work, 'facts.json'), JSON.stringify(facts));
  });
  const path = join(dir, 'system');
  return { path, zstPath: `${path}.zst`, ...JSON.parse(await readFile(join(dir, 'facts.json'), 'utf8')) };
}

async function applySpec(tree: string, spec: SystemSpec): Promise<void> {
  // What a slot has there is never seen: PERSIST's lies over it.
  for (const name of await readdir(join(tree, 'var'))) await rm(join(tree, 'var', name), { recursive: true });
  const { version, prettyName = `KubeOS ${version.replace(/^v/, '')}` } = spec;
  const release = { NAME: 'KubeOS', ID: 'kubeos', VERSION_ID: version, PRETTY_NAME: prettyName };
  const text = Object.entries(release).map(([key, value]) => `${key}="${value}"\n`);
  const files = { 'usr/lib/os-release': text.join(''), ...spec.files };
  for (const [name, content] of Object.entries(files)) {
    const path = join(tree, name);
    await rm(path, { recursive: true, force: true });
    if (content === null) continue;
    await mkdir(dirname(path), { recursive: true });
    if (typeof content === 'string' && content.startsWith('-> ')) await symlink(content.slice(3), path);
    else await writeFile(path, content, { mode: spec.executable?.includes(name) ? 0o755 : 0o644 });
  }
}
