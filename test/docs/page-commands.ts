import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { findControlPlane } from '../../tools/lib/binaries.mjs';
import { ROOT } from '../../tools/lib/paths.mjs';
import type { Cluster } from '../env/cluster.ts';

/** What a person types under one heading of a page: the lines that begin with `$ `, with those that go on after `\`. */
export const commandsUnder = (page: string, heading: string): string[] =>
  blocksUnder(page, heading, 'console').flatMap(block =>
    [...block.matchAll(/^\$ ((?:.*\\\n)*.*)$/gm)].map(([, command = '']) => command),
  );

/**
 * What a person types under one heading of a page where the machine asks with `prompt`: the rest of each line of a
 * console block that begins with it. One prompt is a shell on the node (`# `), another that of a boot loader (`grub> `).
 */
export const typedUnder = (page: string, heading: string, prompt: string): string[] =>
  blocksUnder(page, heading, 'console').flatMap(block =>
    block.split('\n').flatMap(line => (line.startsWith(prompt) ? [line.slice(prompt.length)] : [])),
  );

/** The blocks of one language under a heading of a page; without a language those that have none. */
export function blocksUnder(page: string, heading: string, language = ''): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const section = text.split(/^## /m).find(part => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`${page} has no heading "${heading}"`);
  const blocks = [...section.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap(([, kind, block = '']) => (kind === language ? [block] : []));
}

/** The headings of a page, in their order. */
export const headingsOf = (page: string): string[] =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^## (.+)$/gm)].map(([, title = '']) => title);

/** A shell of an administrator, with kubectl and ctl on its PATH. */
export interface Shell {
  /** Where commands are run. */
  readonly desk: string;
  /** Runs a command line. @throws Error with what it printed, if any part of it fails */
  run(command: string): Promise<{ stdout: string; stderr: string }>;
}

/** Opens the shell; its folders go with the cluster's. */
export function openShell({ dir, adminKubeconfig }: Cluster): Shell {
  const [desk, bin] = [join(dir, 'desk'), join(dir, 'bin')];
  for (const folder of [desk, bin]) mkdirSync(folder);
  symlinkSync(findControlPlane().kubectl.path, join(bin, 'kubectl'));
  const ctl = `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'src/ctl.ts')}' "$@"\n`;
  writeFileSync(join(bin, 'ctl'), ctl, { mode: 0o755 });
  const env = {
    ...process.env,
    PATH: [bin, process.env.PATH].join(delimiter),
    KUBECONFIG: adminKubeconfig,
    KUBECACHEDIR: join(dir, 'kubectl-cache'),
  };
  return {
    desk,
    run: command =>
      promisify(execFile)('bash', ['-e', '-o', 'pipefail', '-c', command], { env, cwd: desk }).catch(
        error => {
          throw new Error(`${command}\n${error.stdout}${error.stderr}`);
        },
      ),
  };
}
