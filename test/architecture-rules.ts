import { dirname, posix } from 'node:path';

/** A file of the project: path relative to the checkout, with `/`, and its content. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A rule of the design: answers one sentence for each breach of it. */
export type Rule = (file: SourceFile, all: readonly SourceFile[]) => readonly string[];

// A folder may import those with a smaller number, and itself: so neighbours never import each other.
const LEVEL = new Map(
  Object.entries({
    'src/ctl.ts': 5,
    'src/cli': 4,
    'src/reconcilers': 3,
    'src/agent': 3,
    'src/kube': 2,
    'src/tls': 2,
    'src/http': 2,
    'src/domain': 1,
    'src/api': 0,
  }),
);
const PURE_MODULES = ['node:crypto', 'node:util', 'zod', 'yaml', 'semver'];
// Of node:net, what only looks at the text of an address.
const PURE_NET_IMPORT = /^import \{ (BlockList|isIP|isIPv4|isIPv6|, )+ \} from 'node:net';$/m;
const IMPORT = /(?:^|[^.\w])(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g;

/** Modules that a file names in import, export … from and import(), types included; relative ones as paths. */
export const importsOf = ({ path, text }: SourceFile): string[] =>
  [...withoutComments(text).matchAll(IMPORT)]
    .map(match => match[1] ?? '')
    .map(name => (name.startsWith('.') ? posix.join(dirname(path), name) : name));

/** Every rule by its name. */
export const RULES: Readonly<Record<string, Rule>> = {
  'imports point one way: ctl, cli → reconcilers | agent → kube | tls | http → domain → api': file =>
    importsOf(file)
      .filter(target => isIn(file.path, 'src') && isRelative(target) && target !== 'package.json')
      .filter(target => !mayImport(folderOf(file.path), folderOf(target)))
      .map(target => `imports ${target}`),

  'only src/kube imports the Kubernetes client': file =>
    importsOf(file)
      .filter(target => target.startsWith('@kubernetes/') && isIn(file.path, 'src'))
      .filter(() => !isIn(file.path, 'src/kube'))
      .map(target => `imports ${target}`),

  'pure files import nothing that does input or output': file =>
    importsOf(file)
      .filter(target => isPure(file.path) && !isRelative(target) && !PURE_MODULES.includes(target))
      .filter(target => target !== 'node:net' || !PURE_NET_IMPORT.test(file.text))
      .map(target => `imports ${target}`),

  'pure files take time and chance from outside': file =>
    isPure(file.path) && file.path !== 'src/domain/clock.ts'
      ? wordsIn(file, /\b(Date\.now|Math\.random|performance\.now|new Date\(\)|setTimeout)/)
      : [],

  'the environment and the exit code belong to ctl and cli': file =>
    isIn(file.path, 'src') && !isIn(file.path, 'src/cli') && file.path !== 'src/ctl.ts'
      ? wordsIn(file, /\bprocess\.(env|exit|exitCode|argv)\b/)
      : [],

  'no barrel but in src/api/*': ({ path }) =>
    isIn(path, 'src') && /\/index\.ts$/.test(path) && !/^src\/api\/[^/]+\/index\.ts$/.test(path)
      ? ['is a barrel']
      : [],

  // Told once, at the first file of the circle.
  'no file imports itself through others': (file, all) => {
    const reached = reachableFrom(file, all);
    const circle = all.filter(({ path }) => reached.has(path) && reached.has(file.path));
    const members = circle.filter(other => reachableFrom(other, all).has(file.path)).map(({ path }) => path);
    return members.toSorted()[0] === file.path ? [`is in a circle of ${members.length} files`] : [];
  },

  'the firmware stand-in shares no code with what it tests': (file, all) =>
    /^test\/env\/node\/firmware[^/]*\.ts$/.test(file.path) && !file.path.endsWith('.test.ts')
      ? [...reachableFrom(file, all)].filter(path => isIn(path, 'src')).map(path => `reaches ${path}`)
      : [],
};

/** All breaches of all rules, as `<file>: <what> (<rule>)`. */
export const violationsOf = (files: readonly SourceFile[]): string[] =>
  Object.entries(RULES).flatMap(([name, rule]) =>
    files.flatMap(file => rule(file, files).map(what => `${file.path}: ${what} (${name})`)),
  );

const isIn = (path: string, folder: string): boolean => path.startsWith(`${folder}/`);
const isRelative = (target: string): boolean =>
  /^(src|test|tools|demo|bench|config|docs)\/|\.json$/.test(target);
const folderOf = (path: string): string =>
  path === 'src/ctl.ts' ? path : path.split('/').slice(0, 2).join('/');
const isPure = (path: string): boolean =>
  /^src\/(domain|api|agent\/decide)\//.test(path) ||
  /^src\/reconcilers\/.*\/(decide[^/]*|decision|findings|status)\.ts$/.test(path);

function mayImport(from: string, to: string): boolean {
  const [fromLevel, toLevel] = [LEVEL.get(from), LEVEL.get(to)];
  if (fromLevel === undefined || toLevel === undefined) return false;
  return from === to || toLevel < fromLevel;
}

function wordsIn(file: SourceFile, words: RegExp): string[] {
  const found = words.exec(withoutComments(file.text));
  return found === null ? [] : [`uses ${found[0]}`];
}

/** Paths of the files that a file imports, and those import, and so on. */
function reachableFrom(file: SourceFile, all: readonly SourceFile[]): Set<string> {
  const reached = new Set<string>();
  const waiting = importsOf(file).filter(isRelative);
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    const next = all.find(candidate => candidate.path === path);
    if (next !== undefined) waiting.push(...importsOf(next).filter(isRelative));
  }
  return reached;
}

const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
