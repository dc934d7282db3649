import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../tools/lib/paths.mjs';

interface Case {
  readonly name: string;
  readonly source: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly want: { readonly code: number; readonly lastLine: string };
}

const PASSING = "it('passes', () => {});";
const FAILING = "it('fails', () => { throw new Error('as it should'); });";
const SKIPPED = "it.skip('is skipped', () => {});";

const CASES: readonly Case[] = [
  { name: 'all pass', source: PASSING, want: { code: 0, lastLine: '1 passed, 0 failed' } },
  { name: 'one fails', source: PASSING + FAILING, want: { code: 1, lastLine: '1 passed, 1 failed' } },
  {
    name: 'one is skipped',
    source: PASSING + SKIPPED,
    want: { code: 0, lastLine: '1 passed, 0 failed, 1 skipped' },
  },
  {
    name: 'one is skipped in continuous integration',
    source: PASSING + SKIPPED,
    env: { CI: 'true' },
    want: { code: 1, lastLine: '1 passed, 1 failed' },
  },
  {
    name: 'only one runs in continuous integration',
    source: PASSING + PASSING.replace('it(', 'it.only('),
    env: { CI: 'true' },
    want: { code: 1, lastLine: '0 passed, 1 failed' },
  },
  { name: 'a file does not load', source: 'nonsense(', want: { code: 1, lastLine: '0 passed, 1 failed' } },
  {
    name: 'no test matches',
    source: PASSING,
    args: ['--grep', 'nothing'],
    want: { code: 1, lastLine: '0 passed, 1 failed' },
  },
  {
    name: 'a pattern selects',
    source: PASSING + FAILING,
    args: ['--grep', 'passes'],
    want: { code: 0, lastLine: '1 passed, 0 failed' },
  },
  {
    name: 'a hook fails',
    source: `before(() => { throw new Error('no cluster'); });${PASSING}`,
    want: { code: 1, lastLine: '0 passed, 1 failed' },
  },
  {
    name: 'files run in parallel',
    source: PASSING + FAILING,
    args: ['--parallel'],
    want: { code: 1, lastLine: '1 passed, 1 failed' },
  },
];

describe('npm test ends with a plain line and an exit code when', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'test-run-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  for (const { name, source, args, env, want } of CASES) {
    it(name, () => {
      const file = join(dir, 'sample.test.ts');
      writeFileSync(file, source);
      const { status, stdout } = spawnSync(process.execPath, ['tools/test.ts', ...(args ?? []), file], {
        cwd: ROOT,
        encoding: 'utf8',
        env: { ...process.env, CI: '', ...env },
      });
      expect({ code: status, lastLine: stdout.trimEnd().split('\n').at(-1) }).to.deep.equal(want);
    });
  }
});
