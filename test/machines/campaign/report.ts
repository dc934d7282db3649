import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../../../tools/lib/paths.mjs';
import { ROWS } from './rows.ts';
import type { CaseResult } from './run-case.ts';

const RESULTS = join(ROOT, 'docs/evidence/machines.json');
const REPORT = join(ROOT, 'docs/evidence/machines.md');

/** Puts new results in the place of older ones of the same cases, and writes the report anew. */
export async function keepResults(results: readonly CaseResult[], known: readonly string[]): Promise<void> {
  const before: CaseResult[] = await readFile(RESULTS, 'utf8').then(JSON.parse, () => []);
  const isNew = new Set(results.map(result => result.id));
  const all = [
    ...before.filter(({ id }) => !isNew.has(id) && known.includes(id)),
    ...results.map(withShortError),
  ];
  all.sort((left, right) => known.indexOf(left.id) - known.indexOf(right.id));
  await writeFile(RESULTS, `${JSON.stringify(all, null, 2)}\n`);
  await writeFile(REPORT, reportOf(all, known));
}

/** Consoles and stack traces are for the screen. */
const withShortError = (result: CaseResult): CaseResult =>
  result.error === undefined ? result : { ...result, error: firstLine(result.error) };

/** The report in Markdown. */
export function reportOf(results: readonly CaseResult[], known: readonly string[]): string {
  const green = results.filter(result => result.isOk).length;
  const missing = known.filter(id => !results.some(result => result.id === id));
  const minutes = Math.round(results.reduce((sum, { seconds }) => sum + seconds, 0) / 60);
  const sections = Object.entries(ROWS).map(([row, title]) =>
    sectionOf(
      title,
      results.filter(({ id }) => id.startsWith(`${row}/`)),
    ),
  );
  return `# Machines that really reboot

What \`npm run test:machines\` found: emulated machines (QEMU without hardware virtualisation, UEFI or a BIOS) with GRUB,
a Debian kernel, systemd, containerd and a kubelet, laid out as KubeOS lays out a node; the product runs on them as the
DaemonSet's pod, from its container image; since 2026-11-30 without V8's compilers, which an emulator is quicker without.
\`npm run test:machines -- --only ID\` repeats one case.

**${green} of ${known.length} cases green**, ${results.length - green} red, ${missing.length} not run; ${minutes} minutes of machine time.
${missing.length > 0 ? `\nNot run: ${missing.map(id => `\`${id}\``).join(', ')}.\n` : ''}
${sections.filter(Boolean).join('\n')}`;
}

function sectionOf(title: string, results: readonly CaseResult[]): string {
  if (results.length === 0) return '';
  const lines = results.map(
    ({ id, title: what, expected, isOk, seconds, notes, error, date }) =>
      `| ${isOk ? '✔' : '✖'} | \`${id}\` ${cell(what)} | ${cell(expected)} | ${notes
        .concat(isOk ? [] : [`**${firstLine(error)}**`])
        .map(cell)
        .join('<br>')} | ${seconds} | ${date} |`,
  );
  return `## ${title}

| | case | must end | what happened | s | on |
|---|---|---|---|---|---|
${lines.join('\n')}
`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const firstLine = (text = ''): string => text.split('\n')[0] ?? '';
