import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { AgentConfig } from '../../src/agent/config.ts';
import { OSSpec, StoredOSSpec } from '../../src/api/openeuler/index.ts';
import { parseCatalog, resolveImage } from '../../src/domain/catalog.ts';
import { targetOfOS } from '../../src/domain/os-target.ts';
import { ROOT } from '../../tools/lib/paths.mjs';
import { type Cluster, startCluster } from '../env/cluster.ts';

interface Sample {
  /** `docs/agent.md:20` */
  readonly where: string;
  readonly text: string;
  readonly content: unknown;
}

const ApiObject = z.looseObject({ apiVersion: z.string(), kind: z.string() });
const Upgrade = z.object({
  kind: z.literal('OSUpgrade'),
  spec: z.object({ version: z.string(), catalog: z.object({ inline: z.string() }) }),
});
const KubeOS = z.object({ kind: z.literal('OS'), spec: StoredOSSpec });
const CatalogMap = z.object({ kind: z.literal('ConfigMap'), data: z.object({ 'catalog.yaml': z.string() }) });
/** Kinds and phases in the docs. */
const NO_REASONS = ['DaemonSet', 'ConfigMap', 'OSInstance', 'OSUpgrade', 'OSUpgradeProgress', 'RolledBack'];
const Rules = z.strictObject({ rules: z.array(z.object({ verbs: z.array(z.string()) })) });

const samples = [...globSync('docs/*.md', { cwd: ROOT }), 'README.md'].flatMap(samplesOf);
const isObject = ({ content }: Sample): boolean => ApiObject.safeParse(content).success;
const isRules = ({ content }: Sample): boolean => Rules.safeParse(content).success;
const objects = samples.filter(isObject);
const settings = samples.filter(sample => !isObject(sample) && !isRules(sample));

/** The YAML blocks of a page. */
function samplesOf(page: string): Sample[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].flatMap(({ 1: block = '', index }) => {
    const where = `${page}:${text.slice(0, index).split('\n').length}`;
    return parseAllDocuments(block).map(document => ({
      where,
      text: document.toString(),
      content: document.toJS(),
    }));
  });
}

describe('the samples of the docs', () => {
  it('are found', () => {
    expect(objects).to.have.length.of.at.least(3);
    expect(settings.map(({ where }) => where.split(':')[0])).to.deep.equal([
      'docs/agent.md',
      'docs/u-boot.md',
    ]);
    expect(samples.filter(isRules)).to.have.length.of.at.least(2);
  });

  for (const { where, content } of settings)
    it(`${where}: settings of the agent, all of them in its own page`, () => {
      const parsed = AgentConfig.parse(content);
      const names = Object.keys(AgentConfig.shape).filter(name => name !== 'hostRoot');
      if (where.startsWith('docs/agent.md')) expect(content).to.have.all.keys(names);
      else expect(content).to.deep.equal({ bootLoader: parsed.bootLoader });
    });

  for (const { where, content } of objects) {
    const upgrade = Upgrade.safeParse(content);
    if (upgrade.success)
      it(`${where}: the catalog has the image that is asked for`, () => {
        const { version, catalog } = upgrade.data.spec;
        expect(resolveImage(parseCatalog(catalog.inline), version).checksum).to.match(/^sha256:/);
      });
    const os = KubeOS.safeParse(content);
    if (os.success) it(`${where}: an OS that can be done`, () => void targetOfOS(os.data.spec));
    const map = CatalogMap.safeParse(content);
    if (map.success) it(`${where}: a catalog`, () => void parseCatalog(map.data.data['catalog.yaml']));
  }

  it('show an upgrade by a disk image, by a container image, and a rollback', () => {
    const kinds = samples
      .filter(({ where }) => where.startsWith('docs/openeuler.md'))
      .map(({ content }) => KubeOS.parse(content).spec)
      .map(({ opstype, imagetype }) => [opstype, imagetype]);
    expect(kinds).to.deep.equal([
      ['upgrade', 'disk'],
      ['upgrade', 'docker'],
      ['rollback', ''],
    ]);
  });

  it('docs/openeuler.md has every field of an OS, with its default', () => {
    const text = readFileSync(join(ROOT, 'docs/openeuler.md'), 'utf8');
    const table = /^## Every field\n([\s\S]*?)^## /m.exec(text)?.[1] ?? '';
    const rows = [...table.matchAll(/^\| (`.*) \| (?:.*) \|(.*) \|$/gm)].map(([, names = '', last = '']) => ({
      names: [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
      shown: /`(.*)`/.exec(last)?.[1],
    }));
    expect(rows.flatMap(({ names }) => names)).to.have.members(Object.keys(OSSpec.shape));
    const filled = Object.entries(OSSpec.parse({ osversion: 'x', opstype: 'upgrade', maxunavailable: 1 }));
    for (const [name, value] of filled.filter(
      ([key]) => !['osversion', 'opstype', 'maxunavailable'].includes(key),
    ))
      expect(rows.find(({ names }) => names.includes(name))?.shown, name).to.equal(String(value));
  });

  it('name no reason that troubleshooting.md does not explain', () => {
    const known = readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8');
    const pages = globSync('docs/*.md', { cwd: ROOT });
    const unknown = pages.flatMap(page =>
      [...readFileSync(join(ROOT, page), 'utf8').matchAll(/`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`/g)]
        .map(([, word = '']) => word)
        .filter(word => !known.includes(`\`${word}\``) && !NO_REASONS.includes(word))
        .map(word => `${page}: ${word}`),
    );
    expect(unknown).to.deep.equal([]);
  });

  it('the rules for ConfigMap catalogs are the same everywhere', () => {
    const rules = samples.filter(isRules).map(({ content }) => content);
    for (const rule of rules) expect(rule).to.deep.equal(rules[0]);
  });

  it('link to files that exist', () => {
    const pages = [...globSync('docs/**/*.md', { cwd: ROOT }), 'README.md'];
    const broken = pages.flatMap(page => brokenLinks(page).map(link => `${page}: ${link}`));
    expect(broken).to.deep.equal([]);
  });
});

/** Links to files, and to headings of Markdown files, that are not there. */
function brokenLinks(page: string): string[] {
  const links = readFileSync(join(ROOT, page), 'utf8').matchAll(/\]\(([^)\s]+)\)/g);
  return [...links]
    .map(([, link = '']) => link)
    .filter(link => !/^https?:/.test(link) && !isThere(page, link));
}

function isThere(page: string, link: string): boolean {
  const [file = '', anchor] = link.split('#');
  const path = file === '' ? join(ROOT, page) : join(ROOT, page, '..', file);
  const isFolder = globSync(path).length > 0 && globSync(`${path}/*`).length > 0;
  if (globSync(path).length === 0) return false;
  if (anchor === undefined || isFolder) return true;
  const titles = readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm);
  return [...titles].some(([, title = '']) => toAnchor(title) === anchor);
}

const toAnchor = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-');

describe('the samples of the docs, on the API server', function () {
  this.timeout(60_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ name: 'docs', controllerManager: false, scheduler: false });
    await cluster.installTwinslot();
  });
  after(() => cluster?.stop());

  for (const { where, text } of objects)
    it(`${where} is accepted`, async () => {
      await cluster.kubectl(['apply', '--dry-run=server', '--validate=strict', '-f', '-'], { stdin: text });
    });

  it('the rules for ConfigMap catalogs are accepted', async () => {
    const [rules] = samples.filter(isRules);
    for (const role of ['os-controller-catalogs', 'node-agent-catalogs'])
      await cluster.kubectl([
        ...['patch', 'clusterrole', role, '--type=merge', '--dry-run=server'],
        `--patch=${JSON.stringify(parse(rules?.text ?? ''))}`,
      ]);
  });
});
