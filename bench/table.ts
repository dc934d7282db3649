import { stdout } from 'node:process';
import { styleText } from 'node:util';

/** One figure. */
export interface Row {
  readonly what: string;
  readonly figure: string;
  /** What it is made of, in a few words. */
  readonly detail: string;
}

/** Says what is being measured; replaced by the next such line on a terminal. */
export function say(text: string): void {
  stdout.write(stdout.isTTY ? `\r\x1b[K${styleText('dim', `${text} …`)}` : `${text} …\n`);
}

/** Prints figures below each other, within 100 columns. */
export function printTable(rows: readonly Row[]): void {
  if (stdout.isTTY) stdout.write('\r\x1b[K');
  const width = (pick: (row: Row) => string): number => Math.max(...rows.map(row => pick(row).length));
  const [what, figure] = [width(row => row.what), width(row => row.figure)];
  for (const row of rows) {
    const line = `${row.what.padEnd(what)}  ${styleText('bold', row.figure.padStart(figure))}  ${row.detail}`;
    stdout.write(`${line}\n`);
  }
}
