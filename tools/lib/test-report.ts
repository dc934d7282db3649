/** What a test run ended with. */
export interface TestReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Time spent in the tests and hooks of each file. */
  readonly files: readonly { readonly file: string; readonly ms: number }[];
}

/** `12 passed, 0 failed`, and `, 1 skipped` if any was. */
export const formatCounts = ({ passed, failed, skipped }: Omit<TestReport, 'files'>): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;

/** The files that took longest, one in a line. */
export const formatSlowestFiles = (report: TestReport, count: number): string =>
  report.files
    .toSorted((left, right) => right.ms - left.ms)
    .slice(0, count)
    .map(({ file, ms }) => formatTime(file, ms))
    .join('\n');

/** `     1.2 s  test/env/wait.test.ts` */
export const formatTime = (what: string, ms: number): string =>
  `${`${(ms / 1000).toFixed(1)} s`.padStart(9)}  ${what}`;
