import { globSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { ROOT } from '../tools/lib/paths.mjs';
import { RULES, type SourceFile, violationsOf } from './architecture-rules.ts';

const readSources = (): SourceFile[] =>
  globSync(['src/**/*.ts', 'test/**/*.ts'], { cwd: ROOT }).map(path => ({
    path,
    text: readFileSync(`${ROOT}/${path}`, 'utf8'),
  }));

const LAYERS = 'imports point one way: ctl, cli → reconcilers | agent → kube | tls | http → domain → api';
const PURE = 'pure files import nothing that does input or output';
const TIME = 'pure files take time and chance from outside';
const CLIENT = 'only src/kube imports the Kubernetes client';
const PROCESS = 'the environment and the exit code belong to ctl and cli';
const BARREL = 'no barrel but in src/api/*';
const CIRCLE = 'no file imports itself through others';
const FIRMWARE = 'the firmware stand-in shares no code with what it tests';

interface Sample {
  readonly rule: string;
  readonly path: string;
  readonly text: string;
  readonly others?: readonly SourceFile[];
}

const BREACHES: readonly Sample[] = [
  { rule: LAYERS, path: 'src/domain/a.ts', text: "import { b } from '../kube/b.ts';" },
  { rule: LAYERS, path: 'src/agent/a.ts', text: "import type { B } from '../reconcilers/os/b.ts';" },
  { rule: LAYERS, path: 'src/reconcilers/os/a.ts', text: "export { b } from '../../agent/b.ts';" },
  { rule: LAYERS, path: 'src/kube/a.ts', text: "const b = await import('../tls/b.ts');" },
  { rule: LAYERS, path: 'src/cli/a.ts', text: "import { b } from '../ctl.ts';" },
  { rule: LAYERS, path: 'src/agent/a.ts', text: "import { b } from '../../test/env/b.ts';" },
  { rule: LAYERS, path: 'src/agent/a.ts', text: "import {\n  b,\n} from '../newcomer/b.ts';" },
  { rule: CLIENT, path: 'src/cli/a.ts', text: "import type { V1Pod } from '@kubernetes/client-node';" },
  { rule: PURE, path: 'src/domain/a.ts', text: "import { readFileSync } from 'node:fs';" },
  { rule: PURE, path: 'src/api/monok8s/a.ts', text: "import { request } from 'undici';" },
  { rule: PURE, path: 'src/reconcilers/os/decide.ts', text: "import fs from 'fs';" },
  { rule: PURE, path: 'src/agent/decide/phases.ts', text: "import 'node:net';" },
  { rule: PURE, path: 'src/domain/a.ts', text: "import { connect, isIP } from 'node:net';" },
  { rule: TIME, path: 'src/domain/a.ts', text: 'export const now = () => Date.now();' },
  { rule: PROCESS, path: 'src/agent/a.ts', text: 'export const home = process.env.HOME;' },
  { rule: BARREL, path: 'src/agent/index.ts', text: '' },
  { rule: BARREL, path: 'src/api/index.ts', text: '' },
  {
    rule: CIRCLE,
    path: 'src/kube/a.ts',
    text: "import { b } from './b.ts';",
    others: [
      { path: 'src/kube/b.ts', text: "export { c } from './c.ts';" },
      { path: 'src/kube/c.ts', text: "import type { A } from './a.ts';" },
    ],
  },
  {
    rule: FIRMWARE,
    path: 'test/env/node/firmware.ts',
    text: "import { b } from '../../../src/domain/b.ts';",
  },
  {
    rule: FIRMWARE,
    path: 'test/env/node/firmware-disk.ts',
    text: "import { b } from './b.ts';",
    others: [{ path: 'test/env/node/b.ts', text: "import type { C } from '../../../src/api/c.ts';" }],
  },
];

const ALLOWED: readonly SourceFile[] = [
  { path: 'src/ctl.ts', text: "import './cli/a.ts'; process.exitCode = 1;" },
  { path: 'src/cli/a.ts', text: "import { b } from '../agent/b.ts'; import { c } from '../api/c.ts';" },
  { path: 'src/agent/boot/a.ts', text: "import { b } from '../slots/b.ts'; import fs from 'node:fs';" },
  { path: 'src/kube/a.ts', text: "import type { V1Pod } from '@kubernetes/client-node';" },
  { path: 'src/domain/a.ts', text: "import { createHash } from 'node:crypto'; // import 'node:fs'" },
  { path: 'src/api/monok8s/index.ts', text: "export * from './a.ts';" },
];

describe('the architecture', () => {
  it('holds in every file', () => {
    expect(violationsOf(readSources())).to.deep.equal([]);
  });

  for (const { rule, path, text, others } of BREACHES) {
    it(`catches ${path} with ${JSON.stringify(text)}`, () => {
      const found = violationsOf([{ path, text }, ...(others ?? [])]);
      expect(found).to.have.length(1);
      expect(found[0])
        .to.match(new RegExp(`^${path}: `))
        .and.include(`(${rule})`);
    });
  }

  it('allows what the rules do not name', () => {
    expect(violationsOf(ALLOWED)).to.deep.equal([]);
  });

  it('has a sample for every rule', () => {
    expect(new Set(BREACHES.map(({ rule }) => rule))).to.deep.equal(new Set(Object.keys(RULES)));
  });
});
