import { chmod, cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import packageJson from '../../package.json' with { type: 'json' };
import { ROOT } from '../lib/paths.mjs';
import { plainModes } from './tree.ts';

/** Where our programs lie in the image. */
export const HOME = 'usr/lib/twinslot';

/**
 * Source maps lie beside the programs and are not used unless NODE_OPTIONS says --enable-source-maps: they would cost 8 MiB
 * of memory on each node, and traces name functions and lines of readable files without them.
 */
const FIRST_LINE = '#!/usr/bin/node\n';

/** Packages of the older kind call `require`, which a module does not have. */
const BANNER =
  "import { createRequire as createRequireHere } from 'node:module';\nconst require = createRequireHere(import.meta.url);";

/** Fills the layer that holds what this repository makes: the programs in few files, and the manifests. */
export async function fillPrograms(root: string): Promise<void> {
  const home = join(root, HOME);
  await mkdir(home, { recursive: true });
  const inputs = await bundle(home);
  await cp(join(ROOT, 'config'), join(home, 'config'), { recursive: true });
  const { name, version } = packageJson;
  await writeFile(join(home, 'package.json'), `${JSON.stringify({ name, version, type: 'module' })}\n`);
  await copyLicences(root, inputs);
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  await symlink(`../lib/twinslot/lib/ctl.js`, join(root, 'usr/bin/ctl'));
  await plainModes(root);
  await chmod(join(home, 'lib/ctl.js'), 0o755);
}

/** Writes the bundle and answers the files it was made of, relative to the checkout. */
async function bundle(home: string): Promise<string[]> {
  const { outputFiles, metafile } = await build({
    // As if it were written into the checkout, so that source maps say ../src/… and nothing of where this is.
    ...{ absWorkingDir: ROOT, outdir: 'lib', write: false, metafile: true, logLevel: 'warning' },
    ...{ entryPoints: { ctl: 'src/ctl.ts' }, chunkNames: '[name]-[hash]' },
    // What a command does not need is not loaded: chunks follow the import() of the sources.
    ...{ bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node24' },
    ...{ sourcemap: 'linked', sourcesContent: false, legalComments: 'none', banner: { js: BANNER } },
  });
  for (const { path, text } of outputFiles) {
    const target = join(home, path.slice(ROOT.length));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, target.endsWith('/ctl.js') ? text.replace(/^#!.*\n/, FIRST_LINE) : text);
  }
  return Object.keys(metafile.inputs);
}

/** The licences of what was bundled, which have to be passed on with it. */
async function copyLicences(root: string, inputs: readonly string[]): Promise<void> {
  const folder = join(root, 'usr/share/doc/twinslot');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'copyright'), await readFile(join(ROOT, 'LICENSE')));
  const packages = new Set(
    inputs.flatMap(input => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []),
  );
  for (const path of [...packages].sort()) {
    const name = path.replaceAll(/.*node_modules\//g, '').replaceAll('/', '-');
    const files = await readdir(join(ROOT, path));
    const found = files.filter(file => /^(licen[cs]e|copying|notice)/i.test(file)).sort();
    const texts = await Promise.all(found.map(file => readFile(join(ROOT, path, file), 'utf8')));
    await writeFile(join(folder, `${name}.txt`), [`${path}\n\n`, ...texts].join(''));
  }
}
