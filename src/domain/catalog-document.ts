import {
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { StalledError } from './errors.ts';

/** Largest catalog that is read. */
export const MAX_CATALOG_BYTES = 1_048_576;
const MAX_ALIASES = 100;

/** A mapping of a YAML document: its plain fields, and where each stands. */
export interface YamlRecord {
  readonly fields: Readonly<Record<string, unknown>>;
  /** `line 3, column 5` of a field, or of the mapping itself. */
  where(field?: string): string;
}

/** A field's text; empty for one that is missing or not text. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/**
 * Reads YAML text whose root is a mapping. Scalars stay text: `version: 1.30` must not become the number 1.3.
 * No message quotes the text: it may come from an address that a person should not be able to read.
 * @throws StalledError `CatalogTooLarge`, `CatalogMalformed` with line and column
 */
export function parseYamlRoot(text: string): { root: YamlRecord; items(field: string): YamlRecord[] } {
  if (Buffer.byteLength(text) > MAX_CATALOG_BYTES) {
    throw new StalledError(
      'CatalogTooLarge',
      `the catalog is larger than ${MAX_CATALOG_BYTES / 2 ** 20} MiB: remove versions that nobody installs any more`,
    );
  }
  const lines = new LineCounter();
  const where = (node: Node | null | undefined, offset?: number): string => {
    const { line, col } = lines.linePos(offset ?? node?.range?.[0] ?? 0);
    return `line ${line}, column ${col}`;
  };
  const root = parseRootMap(text, lines, where);
  const plain = expandAliases(root.toPlain);
  return {
    root: toRecord(root.map, plain, where),
    items: field => itemsOf(root.map, plain[field], field, where),
  };
}

type Where = (node: Node | null | undefined, offset?: number) => string;

/** A catalog that is not what it should be, at a place of its text. */
export const malformed = (place: string, what: string): StalledError =>
  new StalledError('CatalogMalformed', `the catalog is malformed at ${place}: ${what}`);

function parseRootMap(text: string, lineCounter: LineCounter, where: Where) {
  // Unique keys are checked below, for the mappings that count: the library compares each with each.
  const options = { schema: 'failsafe', uniqueKeys: false, prettyErrors: false, lineCounter } as const;
  const document = guardDepth(() => parseDocument(text, options));
  const error: YAMLError | undefined = document.errors[0];
  if (error !== undefined) {
    throw malformed(where(undefined, error.pos[0]), `not valid YAML (${wordsOf(error.code)})`);
  }
  if (!isMap(document.contents)) {
    throw malformed(where(document.contents), 'expected a mapping with the field "images"');
  }
  return { map: document.contents, toPlain: (): unknown => document.toJS({ maxAliasCount: MAX_ALIASES }) };
}

const wordsOf = (code: string): string => code.toLowerCase().replaceAll('_', ' ');

function guardDepth<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw malformed('line 1, column 1', 'it is nested too deeply');
  }
}

function expandAliases(toPlain: () => unknown): Record<string, unknown> {
  try {
    return asFields(guardDepth(toPlain));
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw new StalledError(
      'CatalogMalformed',
      `the catalog expands to more than ${MAX_ALIASES} aliases: write the entries out instead of repeating anchors`,
    );
  }
}

const asFields = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {};

function toRecord(map: YAMLMap, plain: unknown, where: Where): YamlRecord {
  const places = new Map<string, string>();
  for (const { key, value } of map.items) {
    if (!isScalar(key)) continue;
    const name = String(key.value);
    if (places.has(name)) throw malformed(where(key), 'a field that was given before in this mapping');
    const at = where(isNode(value) ? value : key);
    places.set(name, at);
  }
  return {
    fields: asFields(plain),
    where: field => (field === undefined ? undefined : places.get(field)) ?? where(map),
  };
}

function itemsOf(root: YAMLMap, plain: unknown, field: string, where: Where): YamlRecord[] {
  const node = root.get(field, true);
  const list: unknown = node;
  if (!isSeq(list) || !Array.isArray(plain)) {
    throw malformed(where(node ?? root), `"${field}" must be a list`);
  }
  return list.items.map((item, index) => {
    const value: unknown = plain[index];
    if (isMap(item)) return toRecord(item, value, where);
    const at = where(isScalar(item) ? item : list);
    return { fields: asFields(value), where: () => at };
  });
}
