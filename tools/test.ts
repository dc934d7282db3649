// What `npm test` runs: format and lint, types, generated files unchanged, tests. Arguments go to mocha, and then
// nothing else runs: `npm test -- test/kube`, `npm test -- --grep gate`.
import { spawnSync } from 'node:child_process';
import { type Dirent, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { ROOT, readJson } from './lib/paths.mjs';
import { formatCounts, formatSlowestFiles, formatTime, type TestReport } from './lib/test-report.ts';

/** One thing that has to hold besides the tests. */
interface Check {
  readonly title: string;
  readonly command: readonly string[];
}

interface StepResult {
  readonly title: string;
  readonly ms: number;
  readonly isOk: boolean;
}

const CHECKS: readonly Check[] = [
  { title: 'format and lint', command: ['biome', 'check', '.'] },
  { title: 'types', command: ['tsc', '--project', '.'] },
  { title: 'generated files unchanged', command: ['node', 'tools/generate-crds.ts', '--check'] },
];
const IS_CI = ['true', '1'].includes(process.env.CI ?? '');
const MOCHA_ARGS = process.argv.slice(2);
const SLOWEST_FILES = 10;
// Most files wait more than they compute. More of them side by side would starve the emulated machines.
const JOBS = 2;
// Long files first, so that none of them is left alone at the end.
const LONG_FIRST = ['machines', 'faults', 'openeuler', 'docs', 'reconcilers'];

/** Runs a program that stands in node_modules/.bin; its output is seen only if it fails. */
function runCheck({ title, command: [program = '', ...args] }: Check): StepResult {
  const startMs = performance.now();
  const { status, stdout, stderr } = spawnSync(join(ROOT, 'node_modules/.bin', program), args, {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const result = { title, ms: performance.now() - startMs, isOk: status === 0 };
  const mark = result.isOk ? styleText('green', '✔') : styleText('red', '✖');
  console.log(`${mark} ${title}${result.isOk ? '' : `\n${stdout}${stderr}`}`);
  return result;
}

/** All that lies in `test`, in the order in which it is begun. */
function foldersOfTests(): string[] {
  const entries = readdirSync(join(ROOT, 'test'), { withFileTypes: true });
  const isTest = (entry: Dirent): boolean => entry.isDirectory() || entry.name.endsWith('.test.ts');
  const rest = entries.filter(isTest).map(({ name }) => name);
  return [...new Set([...LONG_FIRST, ...rest])].map(name => join('test', name));
}

/** Runs mocha with its output on the screen. */
function runMocha(reportFile: string): StepResult & { readonly report: TestReport | undefined } {
  const startMs = performance.now();
  const strict = [
    '--fail-zero',
    ...(IS_CI || MOCHA_ARGS.length === 0 ? ['--forbid-only'] : []),
    ...(IS_CI ? ['--forbid-pending'] : []),
  ];
  const what = MOCHA_ARGS.length > 0 ? MOCHA_ARGS : ['--parallel', `--jobs=${JOBS}`, ...foldersOfTests()];
  const { status } = spawnSync(join(ROOT, 'node_modules/.bin/mocha'), [...strict, ...what], {
    cwd: ROOT,
    env: { ...process.env, TEST_REPORT_FILE: reportFile },
    stdio: 'inherit',
  });
  const ms = performance.now() - startMs;
  return { title: 'tests', ms, isOk: status === 0, report: readJson(reportFile) };
}

function main(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'twinslot-report-'));
  try {
    const checks = MOCHA_ARGS.length === 0 ? CHECKS.map(runCheck) : [];
    const tests = runMocha(join(dir, 'report.json'));
    // Mocha may fail before it reports: a file that does not load. That counts as one failure.
    const report = tests.report ?? { passed: 0, failed: 0, skipped: 0, files: [] };
    const failed = Math.max(report.failed, tests.isOk ? 0 : 1) + checks.filter(check => !check.isOk).length;
    const passed = report.passed + checks.filter(check => check.isOk).length;
    console.log(
      `\nwhere the time went\n${[...checks, tests].map(s => formatTime(s.title, s.ms)).join('\n')}`,
    );
    if (report.files.length > 0) {
      console.log(`\nslowest test files\n${formatSlowestFiles(report, SLOWEST_FILES)}`);
    }
    console.log(`\n${formatCounts({ passed, failed, skipped: report.skipped })}`);
    return failed === 0;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

process.exitCode = main() ? 0 : 1;
