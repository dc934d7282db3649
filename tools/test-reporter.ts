import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { styleText } from 'node:util';
import Mocha from 'mocha';
import { formatCounts, formatSlowestFiles, type TestReport } from './lib/test-report.ts';

// A test below this shows no time.
const NOTABLE_MS = 1_000;

const { EVENT_HOOK_END, EVENT_RUN_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } =
  Mocha.Runner.constants;

/**
 * Prints each file with its tests as they end, then the failures with their differences, the slowest files, and as
 * the last line `N passed, N failed`. With `TEST_REPORT_FILE` in the environment the summary goes there instead.
 * Works under `--parallel` too, as it needs no more of a test than what crosses the process border.
 */
export default class FileReporter extends Mocha.reporters.Base {
  readonly #fileMs = new Map<string, number>();
  #currentFile = '';

  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    runner.on(EVENT_TEST_PASS, test => this.#print(test, styleText('green', '✔')));
    runner.on(EVENT_TEST_PENDING, test => this.#print(test, styleText('yellow', '○'), ' (skipped)'));
    runner.on(EVENT_TEST_FAIL, (test, error) => {
      // The whole of it comes at the end, which may be long from now.
      const [firstLine = ''] = String(error?.message ?? error).split('\n');
      this.#print(test, styleText('red', '✖'), `\n    ${firstLine}`);
    });
    runner.on(EVENT_HOOK_END, hook => this.#addTime(hook));
    runner.on(EVENT_RUN_END, () => this.#end());
  }

  #print(test: Mocha.Runnable, mark: string, note = ''): void {
    this.#addTime(test);
    const file = nameOf(test);
    if (file !== this.#currentFile) console.log(`\n${styleText('bold', file)}`);
    this.#currentFile = file;
    const ms = test.duration ?? 0;
    const time = ms < NOTABLE_MS ? '' : styleText('dim', ` ${(ms / 1000).toFixed(1)} s`);
    console.log(`  ${mark} ${test.titlePath().join(' › ')}${time}${note}`);
  }

  #addTime(runnable: Mocha.Runnable): void {
    const file = nameOf(runnable);
    this.#fileMs.set(file, (this.#fileMs.get(file) ?? 0) + (runnable.duration ?? 0));
  }

  #end(): void {
    if (this.failures.length > 0) Mocha.reporters.Base.list(this.failures);
    const report: TestReport = {
      passed: this.stats.passes,
      failed: this.stats.failures,
      skipped: this.stats.pending,
      files: [...this.#fileMs].map(([file, ms]) => ({ file, ms })),
    };
    const target = process.env.TEST_REPORT_FILE;
    if (target !== undefined) writeFileSync(target, JSON.stringify(report));
    else console.log(`\n${formatSlowestFiles(report, 3)}\n${formatCounts(report)}`);
  }
}

const nameOf = ({ file }: Mocha.Runnable): string =>
  file === undefined ? 'hooks' : relative(process.cwd(), file);
