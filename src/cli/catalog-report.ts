import type { PinnedImage } from '../api/monok8s/index.ts';
import { type Catalog, resolveImage } from '../domain/catalog.ts';
import type { CatalogImage } from '../domain/catalog-image.ts';
import { messageOf, reasonOf } from '../domain/errors.ts';
import { isSameVersion } from '../domain/version.ts';
import { judgeVersionChange } from '../domain/version-change.ts';
import { formatBytes, formatTable } from './table.ts';

/** What a request for one entry of a catalog would get. */
export interface EntryReport {
  readonly version: string;
  /** `upgrade` if a version to come from was given, `ok` otherwise; `same`: nothing to do. */
  readonly result: 'ok' | 'upgrade' | 'same' | 'refused';
  readonly detail: string;
}

/** What is to be known of a catalog before it is used. */
export interface CatalogReport {
  readonly entries: readonly EntryReport[];
  /** What makes the whole catalog unfit; empty if it is fit. */
  readonly problems: readonly string[];
}

/** What every entry, and `stable`, would do on a node that runs `from`; on any node if that is not given. */
export function checkCatalog(catalog: Catalog, from?: string): CatalogReport {
  const entries = catalog.images.map(image => checkEntry(catalog, image, from));
  return { entries, problems: [...stableProblems(catalog), ...blockedProblems(catalog, entries)] };
}

function checkEntry(catalog: Catalog, image: CatalogImage, from?: string): EntryReport {
  const { version } = image;
  if (version === '')
    return refused('(none)', 'VersionMissing', `the entry at ${image.where()} names no version`);
  try {
    const pinned = resolveImage(catalog, version);
    const refusal = from === undefined ? undefined : judgeVersionChange(from, version);
    if (refusal !== undefined) return refused(version, refusal.reason, refusal.message);
    const isStable = catalog.stable !== undefined && isSameVersion(catalog.stable, version);
    const size = pinned.size === undefined ? '' : `, ${formatBytes(pinned.size)} expanded`;
    return {
      version,
      result: resultOf(version, from),
      detail: `${isStable ? 'stable: ' : ''}${pinned.url}${size}${isFixed(pinned) ? '' : MOVABLE}`,
    };
  } catch (error) {
    return refused(version, reasonOf(error), messageOf(error));
  }
}

const MOVABLE = '; warning: a tag may come to name another image: add its digest as checksum';

const isFixed = ({ url, checksum }: PinnedImage): boolean => checksum !== undefined || url.includes('@');

const refused = (version: string, reason: string, message: string): EntryReport => ({
  version,
  result: 'refused',
  detail: `${reason}: ${message}`,
});

function resultOf(version: string, from?: string): EntryReport['result'] {
  if (from === undefined) return 'ok';
  return isSameVersion(version, from) ? 'same' : 'upgrade';
}

function stableProblems(catalog: Catalog): string[] {
  if (catalog.stable === undefined) return [];
  try {
    resolveImage(catalog, 'stable');
    return [];
  } catch (error) {
    return [`stable: ${messageOf(error)}`];
  }
}

function blockedProblems(catalog: Catalog, entries: readonly EntryReport[]): string[] {
  if (entries.length === 0) return ['the catalog lists no images'];
  const usable = catalog.images.some(image => checkEntry(catalog, image).result === 'ok');
  return usable ? [] : ['the catalog has no image that could be installed'];
}

/** The report as lines for a person. */
export function describeReport(catalog: Catalog, report: CatalogReport): string[] {
  const { stable, blocked } = catalog;
  const count = report.entries.length === 1 ? '1 image' : `${report.entries.length} images`;
  const summary = [count, `stable is ${stable ?? 'not set'}`, `blocked: ${blocked.join(', ') || 'none'}`];
  const rows = report.entries.map(({ version, result, detail }) => [version, result, detail]);
  return [summary.join('; '), '', ...formatTable([['VERSION', 'RESULT', 'DETAIL'], ...rows])];
}
