import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { parseCatalog, resolveImage } from '../domain/catalog.ts';
import { MAX_CATALOG_BYTES } from '../domain/catalog-document.ts';
import { messageOf, StalledError } from '../domain/errors.ts';
import { parseVersion } from '../domain/version.ts';
import { checkCatalog, describeReport } from './catalog-report.ts';
import { type CliContext, note, print } from './context.ts';
import { UsageError } from './exit.ts';

const HELP = `
Says for each entry what a request for it would get. An entry that nobody asks for may be wrong, so
a refused entry alone is no failure. The exit code is 1 if the catalog is malformed (the message
gives line and column), if stable cannot be installed, if nothing in it can, or if the version given
with --want is refused.

Examples:
  ctl catalog check images.yaml
  ctl catalog check https://images.example.com/images.yaml --from v1.34.1
  kubectl get cm -n mono-system images-cm -o jsonpath='{.data.catalog\\.yaml}' | ctl catalog check -
  ctl catalog check images.yaml --want v1.35.3`;

/** Adds `ctl catalog check`. */
export function registerCatalog(program: Command, context: CliContext): void {
  const catalog = program.command('catalog').description('work with catalogs of images');
  catalog
    .command('check')
    .description('validate a catalog and say what each entry would do')
    .argument('<source>', 'a file, an http(s) address, or - for stdin')
    .option('--from <version>', 'version that the nodes run: tells downgrades and skipped minors', parseFrom)
    .option('--want <version>', 'fail unless this version (or stable) can be installed')
    .addHelpText('after', HELP)
    .action(async (source: string, options: CheckOptions) => check(source, options, context));
}

interface CheckOptions {
  readonly from?: string;
  readonly want?: string;
}

async function check(source: string, { from, want }: CheckOptions, context: CliContext): Promise<void> {
  const catalog = parseCatalog(await readCatalog(source, context));
  const report = checkCatalog(catalog, from);
  for (const line of describeReport(catalog, report)) print(context, line);
  if (want !== undefined) resolveImage(catalog, want);
  if (report.problems.length > 0) throw new StalledError('CatalogUnfit', report.problems.join('; '));
}

async function readCatalog(source: string, context: CliContext): Promise<string> {
  if (source === '-') return context.readStdin();
  if (/^https?:\/\//.test(source)) return fetchCatalog(source, context);
  try {
    return await readFile(source, 'utf8');
  } catch (cause) {
    throw new StalledError('CatalogUnreadable', `cannot read ${source}: ${messageOf(cause)}`, { cause });
  }
}

async function fetchCatalog(address: string, context: CliContext): Promise<string> {
  const { fetchText } = await import('../http/fetch-text.ts');
  if (address.startsWith('http://'))
    note(context, 'ctl: plain http: the controller reads this only with --allow-http-catalogs');
  return fetchText(address, { signal: context.signal, allowHttp: true, maxBytes: MAX_CATALOG_BYTES });
}

function parseFrom(text: string): string {
  if (parseVersion(text) !== undefined) return text;
  throw new UsageError(`--from ${text} is not a version such as v1.34.1`);
}
