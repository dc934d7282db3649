import { blocksUnder, typedUnder } from '../../docs/page-commands.ts';
import { eventually } from '../../env/wait.ts';
import { type Console, tailOf } from '../qemu/console.ts';

/** The page for a person before a machine that does not come up. The cases type what it says. */
const PAGE = 'docs/manual-fallback.md';
const PATIENCE_MS = 120_000;

/** What the page has a person type under a heading, at a prompt. */
export function typedOnPage(heading: string, prompt: string): string[] {
  const lines = typedUnder(PAGE, heading, prompt);
  if (lines.length === 0) throw new Error(`${PAGE} has nobody type at "${prompt}" under "${heading}"`);
  return lines;
}

/** A screen that the page shows under a heading: the one that has `words` in it. */
export function screenOnPage(heading: string, words: string): string {
  const found = ['', 'console']
    .flatMap(language => blocksUnder(PAGE, heading, language))
    .find(screen => screen.includes(words));
  if (found === undefined) throw new Error(`${PAGE} shows no screen with "${words}" under "${heading}"`);
  return found;
}

/** Waits until every line of a screen of the page stands on the console. */
export async function untilScreen(console: Console, screen: string, from: number): Promise<void> {
  const lines = screen.split('\n').filter(line => essenceOf(line) !== '');
  const missing = (): string | undefined => {
    const shown = essenceOf(console.text.slice(from));
    return lines.find(line => !shown.includes(essenceOf(line)));
  };
  await eventually(() => missing() === undefined, {
    timeoutMs: PATIENCE_MS,
    what: 'a screen is shown',
  }).catch(() => {
    throw new Error(`the page shows "${missing()}", the console\n${tailOf(console.text.slice(from))}`);
  });
}

/**
 * GRUB puts its text to places of the screen, so that blanks and frames are not sent as they are seen; its version and
 * the seconds that it still waits are not the page's business.
 */
export const essenceOf = (text: string): string =>
  text
    .replaceAll(/version \S+/g, '')
    .replaceAll(/\d+s\./g, '')
    .replaceAll(/[\s|+*-]/g, '');
