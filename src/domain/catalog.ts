import type { PinnedImage } from '../api/monok8s/index.ts';
import { malformed, parseYamlRoot, textOf, type YamlRecord } from './catalog-document.ts';
import { type CatalogImage, pinImage } from './catalog-image.ts';
import { StalledError } from './errors.ts';
import { inStyleOf, isSameVersion, newestFirst, parseVersion } from './version.ts';

/** A list of images as its author wrote it. Entries are judged when they are asked for, not before. */
export interface Catalog {
  /** The version that `stable` means. */
  readonly stable?: string;
  readonly images: readonly CatalogImage[];
  /** Versions that are never installed. */
  readonly blocked: readonly string[];
}

const MAX_LISTED = 20;

/**
 * Reads the text of a catalog. Unknown fields are ignored, and an entry that nobody asks for may be wrong.
 * @throws StalledError `CatalogTooLarge`, `CatalogMalformed` with line, column and field
 */
export function parseCatalog(text: string): Catalog {
  const { root, items } = parseYamlRoot(text);
  const images = items('images').map(item => ({ ...item, version: textOf(item.fields.version) }));
  const { stable, blocked } = root.fields;
  if (stable !== undefined && typeof stable !== 'string') {
    throw malformed(root.where('stable'), '"stable" must be a version');
  }
  return { ...(stable ? { stable } : {}), images, blocked: blockedOf(root, blocked) };
}

function blockedOf(root: YamlRecord, blocked: unknown): string[] {
  if (blocked === undefined || blocked === '') return [];
  if (!Array.isArray(blocked) || !blocked.every(version => typeof version === 'string')) {
    throw malformed(root.where('blocked'), '"blocked" must be a list of versions');
  }
  return blocked;
}

/** The text of a catalog in a ConfigMap's data: the key `catalog.yaml`, or the only one. */
export function catalogTextOf(data: Readonly<Record<string, string>>): string | undefined {
  const values = Object.values(data);
  return data['catalog.yaml'] ?? (values.length === 1 ? values[0] : undefined);
}

/**
 * Finds the image of `requested` (a version, or `stable`) and checks its entry.
 * @throws StalledError `NoStableVersion`, `VersionBlocked`, `VersionNotInCatalog`, `DuplicateVersion`, and what
 *   `pinImage` refuses
 */
export function resolveImage(catalog: Catalog, requested: string): PinnedImage {
  const version = requested === 'stable' ? stableOf(catalog) : requested;
  if (catalog.blocked.some(blocked => isSameVersion(blocked, version))) {
    throw new StalledError(
      'VersionBlocked',
      `the catalog blocks ${version}: ask for another version, or take it off the list "blocked"`,
    );
  }
  const [entry, second] = catalog.images.filter(image => isSameVersion(image.version, version));
  if (entry === undefined) throw notInCatalog(catalog, version);
  if (second !== undefined) {
    throw new StalledError(
      'DuplicateVersion',
      `the catalog lists ${version} twice, at ${entry.where('version')} and at ${second.where('version')}: remove one`,
    );
  }
  return { version: inStyleOf(version, entry.version), ...pinImage(entry) };
}

/** The versions that can be asked for, newest first, without the blocked ones. */
export const availableVersions = (catalog: Catalog): string[] =>
  newestFirst(
    catalog.images
      .map(image => image.version)
      .filter(version => parseVersion(version) !== undefined)
      .filter(version => !catalog.blocked.some(blocked => isSameVersion(blocked, version))),
  );

function stableOf(catalog: Catalog): string {
  if (catalog.stable !== undefined) return catalog.stable;
  throw new StalledError(
    'NoStableVersion',
    'the catalog names no stable version: set spec.version to a version, or add "stable" to the catalog',
  );
}

function notInCatalog(catalog: Catalog, version: string): StalledError {
  const versions = availableVersions(catalog);
  const shown = versions.slice(0, MAX_LISTED).join(', ');
  const more = versions.length > MAX_LISTED ? ` and ${versions.length - MAX_LISTED} older ones` : '';
  const list = versions.length === 0 ? 'it has none' : `it has ${shown}${more}`;
  return new StalledError('VersionNotInCatalog', `${version} is not in the catalog: ${list}`);
}
