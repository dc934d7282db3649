import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Document, parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { InvariantError } from '../domain/errors.ts';

/** What `ctl create` can print, and the files or folders of `config` that it consists of. */
export const PARTS = {
  crds: ['crd'],
  rbac: ['rbac'],
  agent: ['rbac/namespace.yaml', 'crd', 'rbac/agent.yaml', 'rbac/agent-policy.yaml', 'agent'],
  controller: ['rbac/namespace.yaml', 'crd', 'rbac/controller.yaml', 'manager'],
  all: ['rbac/namespace.yaml', 'crd', 'rbac', 'agent', 'manager'],
} as const;
export type Part = keyof typeof PARTS;

const Kustomization = z.object({ resources: z.array(z.string()) });

/** The manifests of a part, in the order in which they can be applied, each once. */
export async function readManifests(part: Part): Promise<Document[]> {
  const folder = findConfigFolder();
  const lists = await Promise.all(PARTS[part].map(path => listFiles(join(folder, path))));
  const files = [...new Set(lists.flat())];
  const texts = await Promise.all(files.map(async file => ({ file, text: await readFile(file, 'utf8') })));
  return texts.flatMap(({ file, text }) => parseManifests(file, text));
}

/** Manifests as one YAML text. */
export const writeManifests = (documents: readonly Document[]): string =>
  documents.map(document => document.toString({ lineWidth: 0 }).replace(/^---\n/m, '')).join('---\n');

/** `config` lies beside the folder of the sources as well as beside that of a bundle. */
function findConfigFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'config', 'crd', 'kustomization.yaml'))) {
    if (folder === dirname(folder))
      throw new InvariantError(`the manifests (folder config) are missing above ${import.meta.dirname}`);
    folder = dirname(folder);
  }
  return join(folder, 'config');
}

/** A file, or the files that a folder's kustomization names. */
async function listFiles(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const { resources } = Kustomization.parse(parse(await readFile(join(path, 'kustomization.yaml'), 'utf8')));
  return (await Promise.all(resources.map(resource => listFiles(join(path, resource))))).flat();
}

function parseManifests(file: string, text: string): Document[] {
  const documents = parseAllDocuments(text);
  const broken = Array.from(documents).find(document => document.errors.length > 0);
  if (broken) throw new InvariantError(`${file} is not valid YAML: ${broken.errors[0]?.message}`);
  return [...documents];
}
