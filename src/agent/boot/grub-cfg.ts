/** One entry of GRUB's menu. */
export interface MenuEntry {
  readonly title: string;
  readonly id: string | undefined;
  /** Its place among the top entries; GRUB accepts it wherever it accepts a title. */
  readonly index: number;
  /** Paths of kernel and initrd inside the file system that the entry boots from. */
  readonly files: readonly string[];
  /** Label of the file system that the entry searches for. */
  readonly searchLabel: string | undefined;
  /** The kernel finds its root by the UUID of a file system, which every new image has another of. */
  readonly isRootByUuid: boolean;
}

/** Splits a line into words as GRUB does: quotes hold words together. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  const pattern = /(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+/g;
  for (const [word] of line.matchAll(pattern)) {
    words.push(
      word.replace(/'([^']*)'|"((?:\\.|[^"\\])*)"/g, (_all, single, double) => single ?? double ?? ''),
    );
  }
  return words;
}

/** The entries at the top of GRUB's menu, in its order. */
export function parseMenuEntries(config: string): MenuEntry[] {
  const entries: MenuEntry[] = [];
  const lines = config.split('\n');
  let index = 0;
  for (let at = 0; at < lines.length; at++) {
    const words = wordsOf((lines[at] ?? '').trim());
    if (words[0] !== 'menuentry' && words[0] !== 'submenu') continue;
    const end = endOfBlock(lines, at);
    if (words[0] === 'menuentry') entries.push(entryOf(words, lines.slice(at + 1, end), index));
    index++;
    at = end;
  }
  return entries;
}

function entryOf(words: string[], body: string[], index: number): MenuEntry {
  const idAt = words.findIndex(word => word === '--id' || word === '$menuentry_id_option');
  const commands = body.map(line => wordsOf(line.trim()));
  const isKernel = ([command = '']: string[]): boolean => /^linux(16|efi)?$/.test(command);
  const files = commands.flatMap(([command = '', ...args]) =>
    /^linux(16|efi)?$/.test(command)
      ? args.slice(0, 1)
      : /^initrd(16|efi)?$/.test(command)
        ? args.filter(argument => argument.startsWith('/'))
        : [],
  );
  return {
    title: words[1] ?? '',
    id: idAt === -1 ? undefined : words[idAt + 1],
    index,
    files,
    searchLabel: commands.map(searchedLabel).find(label => label !== undefined),
    isRootByUuid: commands.some(
      words => isKernel(words) && words.some(word => word.startsWith('root=UUID=')),
    ),
  };
}

function searchedLabel([command, ...args]: string[]): string | undefined {
  if (command !== 'search') return undefined;
  if (!args.some(argument => argument === '--label' || argument === '-l')) return undefined;
  return args.filter(argument => !argument.startsWith('-')).at(0);
}

/** The line of the brace that closes the block opened at `start`. */
function endOfBlock(lines: string[], start: number): number {
  let depth = 0;
  for (let at = start; at < lines.length; at++) {
    for (const word of wordsOf(lines[at] ?? '')) {
      if (word.startsWith('#')) break;
      if (word === '{') depth++;
      if (word === '}' && --depth === 0) return at;
    }
  }
  return lines.length;
}

/** The entry that a value of `saved_entry` or `next_entry` means: by title, by id or by its place. */
export const findEntry = (entries: readonly MenuEntry[], value: string): MenuEntry | undefined =>
  entries.find(entry => entry.title === value || entry.id === value) ??
  entries.find(entry => String(entry.index) === value);

/**
 * What keeps a configuration from booting `next_entry` once and then never again.
 * @returns nothing if it honours it
 */
export function lacksForTrial(config: string): string[] {
  const text = config.replace(/^\s*#.*$/gm, '');
  const lacks: string[] = [];
  const loads = [...text.matchAll(/^\s*load_env\b(.*)$/gm)].map(([, args = '']) => loadedNames(args));
  if (!loads.some(names => names.length === 0 || ['next_entry', 'fallback'].every(n => names.includes(n)))) {
    lacks.push('it does not load next_entry and fallback from the environment (load_env)');
  }
  if (!/\bset\s+default=["']?\$\{?next_entry\}?/.test(text)) {
    lacks.push('it does not take the default entry from next_entry (set default=$next_entry)');
  }
  if (
    !/\bset\s+next_entry=\s*(?:["']{2}\s*)?(?:;|$)/m.test(text) ||
    !/\bsave_env\b.*\bnext_entry\b/.test(text)
  ) {
    lacks.push('it does not clear next_entry before it boots (set next_entry= and save_env next_entry)');
  }
  return lacks;
}

/** The names that a `load_env` is limited to; empty: it loads everything. */
function loadedNames(args: string): string[] {
  const words = wordsOf(args.replace(/;.*$/, ''));
  return words.filter((word, at) => !word.startsWith('-') && !['--file', '-f'].includes(words[at - 1] ?? ''));
}
