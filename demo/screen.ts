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

/** One line for each node that works, by name, with a bar while bytes flow and the reason while it waits. */
export function progressLines(objects: readonly OSUpgradeProgress[]): string[] {
  return objects
    .toSorted((left, right) => (left.spec.nodeName < right.spec.nodeName ? -1 : 1))
    .map(({ spec, status }) => {
      const phase = (status?.phase ?? 'Pending').padEnd(12);
      const bytes = status?.progress;
      const isMoving = status?.phase === 'Downloading' || status?.phase === 'Installing';
      const detail =
        isMoving && bytes ? progressBar(bytes.bytesDone, bytes.bytesTotal) : (status?.message ?? '');
      const line = `${spec.nodeName.padEnd(8)} ${phase} ${detail}`.trimEnd();
      return line.length > MAX_WIDTH ? `${line.slice(0, MAX_WIDTH - 1)}…` : line;
    });
}

const MAX_WIDTH = 98;

/** A picture that changes while one looks at it. */
export interface LiveBlock {
  /** Draws tables, below them the lines of the nodes, and below these a footer that only grows. */
  draw(tables: string, lines: readonly string[], footer?: readonly string[]): void;
  /** The picture stays as it is now. */
  end(): void;
}

/**
 * Redraws in place on a terminal. Elsewhere the lines of nodes are written when the nodes' phases change, and the tables
 * at the end: a log needs no picture of each byte.
 */
export function liveBlock(): LiveBlock {
  return isTerminal ? terminalBlock() : logBlock();
}

function terminalBlock(): LiveBlock {
  let drawn = '';
  return {
    draw(tables, lines, footer = []) {
      const text = [tables, '', ...lines, ...footer].join('\n');
      if (text === drawn) return;
      if (drawn !== '') stdout.write(`\x1b[${drawn.split('\n').length}A\x1b[0J`);
      stdout.write(`${text}\n`);
      drawn = text;
    },
    end: () => undefined,
  };
}

function logBlock(): LiveBlock {
  const phases = new Map<string, string>();
  let last = '';
  let footerShown = 0;
  return {
    draw(tables, lines, footer = []) {
      last = tables;
      for (const line of lines) {
        const [node = '', phase = ''] = line.split(/\s+/);
        if (phases.get(node) !== phase) say(line);
        phases.set(node, phase);
      }
      for (const line of footer.slice(footerShown)) say(line);
      footerShown = Math.max(footerShown, footer.length);
    },
    end: () => say(`\n${last}`),
  };
}
