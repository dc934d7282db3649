const GAP = '  ';

/** Rows as lines with aligned columns, two spaces apart. The last column is not padded. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths = naturalWidths(rows);
  return rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(GAP)
      .trimEnd(),
  );
}

/**
 * How wide the columns may be so that a line keeps to `width`: the widest of the `flexible` ones give way first, down to
 * 12 characters.
 */
export function fitColumns(
  rows: readonly (readonly string[])[],
  width: number,
  flexible: readonly number[],
): number[] {
  const widths = naturalWidths(rows);
  const lineWidth = () =>
    widths.reduce((sum, column) => sum + column, 0) + GAP.length * Math.max(0, widths.length - 1);
  for (let excess = lineWidth() - width; excess > 0; excess -= 1) {
    const widest = flexible.reduce((best, column) =>
      (widths[column] ?? 0) > (widths[best] ?? 0) ? column : best,
    );
    const columnWidth = widths[widest] ?? 0;
    if (columnWidth <= LEAST_WIDTH) break;
    widths[widest] = columnWidth - 1;
  }
  return widths;
}

const LEAST_WIDTH = 12;

function naturalWidths(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  return widths;
}

/** Bytes for people: `256 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  const value = bytes / 2 ** (10 * power);
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

/** A length of time for people: `4m12s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${String(seconds % 60).padStart(2, '0')}s`;
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, '0')}m`;
}

/** Text without control characters: a status is written by others, and must not draw on the reader's terminal. */
export const clean = (text: string): string => text.replaceAll(/\p{Cc}+/gu, ' ');

/** At most `width` characters, cleaned; what is longer ends with an ellipsis. */
export function cut(text: string, width: number): string {
  const plain = clean(text);
  return plain.length <= width ? plain : `${plain.slice(0, Math.max(0, width - 1))}…`;
}

/**
 * `from → to` in at most `width` characters. If that is not enough, `to` is told by where it begins to differ; then both
 * sides give way as fairly as can be.
 */
export function cutArrow(from: string, to: string, width: number): string {
  const [left, whole] = [clean(from), clean(to)];
  const room = width - ARROW.length;
  const right = left.length + whole.length <= room ? whole : differenceOf(left, whole);
  const shown = cut(left, Math.max(Math.floor(room / 2), room - right.length));
  return `${shown}${ARROW}${cut(right, room - shown.length)}`;
}

const ARROW = ' → ';

/** The second text without the words that it begins with as the first one does. */
function differenceOf(first: string, second: string): string {
  let same = 0;
  for (let at = 0; at < second.length && first[at] === second[at]; at += 1) {
    if (second[at] === ' ' || second[at] === '-') same = at + 1;
  }
  return same === 0 ? second : `…${second.slice(same)}`;
}

/** Text, cleaned, as lines of at most `width` characters, broken between words where that is possible. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of clean(text).split(/\s+/).filter(Boolean)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
    while (line.length > width) {
      lines.push(line.slice(0, width));
      line = line.slice(width);
    }
  }
  return line === '' ? lines : [...lines, line];
}
