import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { AgentConfig } from '../../src/agent/config.ts';
import { parseCatalog, resolveImage } from '../../src/domain/catalog.ts';
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
const CatalogMap = z.object({ kind: z.literal('ConfigMap'), data: z.object({ 'catalog.yaml': z.string() }) });
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
    expect(settings.map(({ where }) => where.split(':')[0])).to.deep.equal(['docs/agent.md']);
    expect(samples.filter(isRules)).to.have.length.of.at.least(2);
  });

  for (const { where, content } of settings)
    it(`${where}: settings of the agent, all but where the host is mounted`, () => {
      const names = Object.keys(AgentConfig.shape).filter(name => name !== 'hostRoot');
      expect(content).to.have.all.keys(names);
      AgentConfig.parse(content);
    });

  for (const { where, content } of objects) {
    const upgrade = Upgrade.safeParse(content);
    if (upgrade.success)
      it(`${where}: the catalog has the image that is asked for`, () => {
        const { version, catalog } = upgrade.data.spec;
        expect(resolveImage(parseCatalog(catalog.inline), version).checksum).to.match(/^sha256:/);
      });
    const map = CatalogMap.safeParse(content);
    if (map.success) it(`${where}: a catalog`, () => void parseCatalog(map.data.data['catalog.yaml']));
  }

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
