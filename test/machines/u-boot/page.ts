import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../../../tools/lib/paths.mjs';

const page = (): Promise<string> => readFile(join(ROOT, 'docs/u-boot.md'), 'utf8');

/**
 * The environment that docs/u-boot.md gives a board: a block of lines `name=value`. The first is for a U-Boot that
 * counts boots, the second for one that does not.
 */
export async function boardSample(which: 'counts' | 'does not count'): Promise<Record<string, string>> {
  const blocks = [...(await page()).matchAll(/```properties\n([\s\S]*?)```/g)].map(([, block = '']) => block);
  const block = blocks[which === 'counts' ? 0 : 1] ?? '';
  const lines = block.split('\n').filter(line => line !== '');
  return Object.fromEntries(lines.map(line => /^([^=]+)=(.*)$/.exec(line)?.slice(1) ?? []));
}

/** What the page shows of a person at U-Boot's prompt who starts slot A, from the first command to the last. */
export async function promptScreen(): Promise<string> {
  return /^=> [\s\S]*?^=> boot$/m.exec(await page())?.[0] ?? '';
}

/** What that person typed, for the slot that is wanted. */
export async function promptLines(slot: string): Promise<string[]> {
  const lines = [...(await promptScreen()).matchAll(/^=> (.+)$/gm)].map(([, command = '']) => command);
  return lines.map(line => line.replace(/^(setenv boot_slot) A$/, `$1 ${slot}`));
}
