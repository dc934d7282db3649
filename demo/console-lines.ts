import type { Console } from '../test/machines/qemu/console.ts';
import { dim } from './screen.ts';

/** What a machine's console shows from a moment on, as far as it matters. */
export interface ConsoleLines {
  /** One line each, with who says it before it. */
  lines(): readonly string[];
}

/** Who says it, and what is left of the line. */
const MOMENTS: readonly (readonly [who: string, pattern: RegExp])[] = [
  ['firmware', /^BdsDxe: starting (Boot\d+ "[^"]*")/],
  ['GRUB', /(Booting `.*')/],
  ['kernel', /(Linux version \S+)/],
  ['kernel', /(Kernel panic - not syncing: .*)/],
  ['kernel', /(Rebooting in \d+ seconds)/],
  ['login', /^(KubeOS .*ttyS0)/],
];
const NAME_WIDTH = 12;
const MAX_WIDTH = 80;

/** Follows a console from now on. */
export function followConsole(console: Console): ConsoleLines {
  const { mark } = console;
  return {
    lines: () =>
      console.text
        .slice(mark)
        .split('\n')
        .flatMap(line => {
          const [who, said] = momentOf(line.trim()) ?? [];
          return who === undefined || said === undefined
            ? []
            : [dim(`│ ${who.padEnd(NAME_WIDTH)} ${said.slice(0, MAX_WIDTH)}`)];
        }),
  };
}

function momentOf(line: string): readonly [string, string | undefined] | undefined {
  for (const [who, pattern] of MOMENTS) {
    const found = pattern.exec(line);
    if (found) return [who, found[1]];
  }
  return undefined;
}
