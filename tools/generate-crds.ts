/** Writes `config/crd/*.yaml` from the schemas in `src/api`; with `--check` it only compares (exit 1 if they differ). */
import { readFile, writeFile } from 'node:fs/promises';
import { Document } from 'yaml';
import { type KindDefinition, toCustomResourceDefinition } from '../src/api/crd.ts';
import { KINDS } from '../src/api/kinds.ts';

const FOLDER = new URL('../config/crd/', import.meta.url);
const HEADER = ' Generated from src/api by `npm run generate`. Change the schema there, not this file.';

const fileName = ({ group, plural }: KindDefinition): string => `${group}_${plural}.yaml`;

function toYaml(content: object): string {
  const document = new Document(content, { aliasDuplicateObjects: false });
  document.commentBefore = HEADER;
  return document.toString({ lineWidth: 110 });
}

/** Name and text of every file in `config/crd`. */
export function generateFiles(): ReadonlyMap<string, string> {
  const files = new Map(KINDS.map(kind => [fileName(kind), toYaml(toCustomResourceDefinition(kind))]));
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [...files.keys()],
  };
  return files.set('kustomization.yaml', toYaml(kustomization));
}

/** The first line in which the two texts differ, for a person to see what changed. */
function firstDifference(name: string, actual: string, expected: string): string {
  const [have, want] = [actual.split('\n'), expected.split('\n')];
  const line = want.findIndex((text, index) => text !== have[index]);
  const at = line < 0 ? want.length : line;
  return `config/crd/${name}:${at + 1}\n  file:   ${have[at] ?? '(end)'}\n  schema: ${want[at] ?? '(end)'}`;
}

/** What differs between the schemas and the files; empty if nothing does. */
export async function findStaleFiles(): Promise<string[]> {
  const stale: string[] = [];
  for (const [name, expected] of generateFiles()) {
    const actual = await readFile(new URL(name, FOLDER), 'utf8').catch(() => '');
    if (actual !== expected) stale.push(firstDifference(name, actual, expected));
  }
  return stale;
}

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const stale = await findStaleFiles();
    for (const difference of stale) console.error(difference);
    if (stale.length > 0) console.error('config/crd is not what src/api says: run `npm run generate`');
    process.exitCode = stale.length > 0 ? 1 : 0;
  } else {
    for (const [name, text] of generateFiles()) await writeFile(new URL(name, FOLDER), text);
  }
}
