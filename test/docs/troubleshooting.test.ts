import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../tools/lib/paths.mjs';

const page = readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8');
const sources = globSync('src/**/*.ts', { cwd: ROOT }).map(path => ({
  path,
  text: withoutComments(readFileSync(join(ROOT, path), 'utf8')),
}));

/** CamelCase words of the sources that are no reasons: kinds, phases, states, and other programs' words. */
const NO_REASONS = [
  ...['ConfigMap', 'CustomResourceDefinition', 'DaemonSet', 'OSInstance', 'OSUpgrade', 'OSUpgradeProgress'],
  ...['RolledBack', 'FallingBack', 'NotReady', 'AlreadyExists', 'IfNotPresent', 'UsageInvalid'],
  ...['TransientError', 'StalledError', 'InvariantError'],
];

/** Where a single word such as `Paused` is a reason too. */
const PLACES = [
  /\b(?:Stalled|Transient)Error\(\s*'(\w+)'/g,
  /\b(?:CatalogWait|super)\(\s*'([A-Z]\w+)'/g,
  /\b(?:reason|failureReason): [^,}\n]*?'([A-Z]\w+)'/g,
  /\b(?:no|yes|refused|refuse|toFinding)\(\s*'([A-Z]\w+)'/g,
  /\b(?:failed|fallBack|rolledBack)\([^,()']*?'([A-Z]\w+)'/g,
  /\b(?:failed|fallBack|rolledBack)\(\s*(?:task|trial),[^,]*?'([A-Z]\w+)'/g,
  /'(?:Normal|Warning)',\s*'([A-Z]\w+)'/g,
  /\btype: '([A-Z]\w+)', status: /g,
];
const TWO_HUMPS = /'([A-Z][a-z]+(?:[A-Z][a-z]+)+)'/g;
const CONDITION_TYPES = /type Findings = Readonly<Record<(.+), Finding>>/g;

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}

/** Each reason, with the first file that has it. */
function reasonsOfSources(): Map<string, string> {
  const found = new Map<string, string>();
  for (const { path, text } of sources) {
    const isServersWord = path === 'src/kube/api-errors.ts' || path === 'src/kube/evict.ts';
    const patterns = isServersWord || /^src\/(api|kube)\//.test(path) ? PLACES : [...PLACES, TWO_HUMPS];
    const inPlaces = patterns.flatMap(pattern => [...text.matchAll(pattern)].map(([, word = '']) => word));
    const types = [...text.matchAll(CONDITION_TYPES)].flatMap(([, union = '']) => union.match(/\w+/g) ?? []);
    for (const word of [...inPlaces, ...types])
      if (!NO_REASONS.includes(word) && !found.has(word)) found.set(word, path);
  }
  return found;
}

/** The words in the first column of every table. */
const wordsOfTables = (text: string): string[] =>
  text.split('\n').flatMap(line => {
    const [, first = ''] = /^\| (`[A-Z][^|]*) \|/.exec(line) ?? [];
    return [...first.matchAll(/`([A-Z]\w+)`/g)].map(([, word = '']) => word);
  });

/** A reason that stands in the sources as the key of an object. */
const isKey = (word: string): boolean => sources.some(({ text }) => new RegExp(`\\b${word}: `).test(text));

const toAnchor = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-');

describe('docs/troubleshooting.md', () => {
  const known = reasonsOfSources();
  const words = wordsOfTables(page);

  it('finds the reasons', () => {
    expect(known.size).to.be.greaterThan(100);
    expect([...known.keys()]).to.include.members([
      'Paused',
      'Drained',
      'TrialUnguarded',
      'Degraded',
      'Owner',
    ]);
  });

  it('has every reason and condition that the programs know', () => {
    const missing = [...known]
      .filter(([word]) => !page.includes(`\`${word}\``))
      .map(entry => entry.join(' in '));
    expect(missing).to.deep.equal([]);
  });

  it('has no reason that the programs do not know', () => {
    const all = sources.map(({ text }) => text).join('\n');
    expect(words.length).to.be.greaterThan(100);
    expect(words.filter(word => !all.includes(`'${word}'`) && !isKey(word))).to.deep.equal([]);
  });

  it('refers to headings that exist', () => {
    const anchors = page.matchAll(/^#+ (.+)$/gm).map(([, title = '']) => toAnchor(title));
    const links = page.matchAll(/\]\(#([^)]+)\)/g).map(([, anchor = '']) => anchor);
    expect([...anchors]).to.include.members([...links]);
  });
});
