import cliProgress from 'cli-progress';
import type { OSUpgradeProgress } from '../src/api/monok8s/index.ts';

const { stdout } = process;
const isTerminal = stdout.isTTY === true;
const style = (code: string) => (text: string) => (isTerminal ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = style('1');
export const dim = style('2');
export const green = style('32');

/** Prints a heading of the story. */
export function chapter(title: string): void {
  stdout.write(`\n${bold(`━━ ${title} `.padEnd(90, '━'))}\n\n`);
}

/** Prints a sentence of the story. */
export const say = (text: string): void => void stdout.write(`${text}\n`);

/** Prints a command as a person would have typed it, and what it printed. */
export function showCommand(command: string, output: string): void {
  stdout.write(`${green('$')} ${bold(command)}\n${indent(wrap(output.trimEnd()))}\n\n`);
}

/** Breaks long lines between words. Tables are narrower than that. */
const wrap = (text: string): string => text.replaceAll(/(?=.{97})(.{1,96})\s/g, '$1\n');

const indent = (text: string): string => text.replaceAll(/^/gm, '  ');

/** A bar of 30 columns with the share done, and the bytes beside it. */
export function progressBar(bytesDone: number, bytesTotal: number): string {
  const share = bytesTotal > 0 ? Math.min(bytesDone / bytesTotal, 1) : 0;
  const bar = cliProgress.Format.BarFormat(share, {
    barsize: 30,
    barCompleteString: '█'.repeat(30),
    barIncompleteString: '░'.repeat(30),
    barGlue: '',
  });
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)}`;
  return `${bar} ${String(Math.round(share * 100)).padStart(3)} %  ${mebibytes(bytesDone)}/${mebibytes(bytesTotal)} MiB`;
}

/** One line for each node that works, with a bar while bytes flow and the reason while it waits. */
export function progressLines(objects: readonly OSUpgradeProgress[]): string {
  const lines = objects.map(({ spec, status }) => {
    const phase = (status?.phase ?? 'Pending').padEnd(12);
    const bytes = status?.progress;
    const isMoving = status?.phase === 'Downloading' || status?.phase === 'Installing';
    const detail =
      isMoving && bytes ? progressBar(bytes.bytesDone, bytes.bytesTotal) : (status?.message ?? '');
    return `${spec.nodeName.padEnd(8)} ${phase} ${detail}`.slice(0, 98).trimEnd();
  });
  return lines.join('\n');
}

/**
 * Redraws a block in place on a terminal. Elsewhere a block is printed only when `key` changes: a log needs no picture
 * of each byte.
 */
export function liveBlock(): { draw(text: string, key: string): void } {
  let drawnLines = 0;
  let drawn = '';
  return {
    draw(text, key) {
      const wanted = isTerminal ? text : key;
      if (wanted === drawn) return;
      if (isTerminal && drawnLines > 0) stdout.write(`\x1b[${drawnLines}A\x1b[0J`);
      stdout.write(`${text}\n${isTerminal ? '' : '\n'}`);
      drawnLines = text.split('\n').length;
      drawn = wanted;
    },
  };
}
