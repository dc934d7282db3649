import { toLogLine } from './log-line.ts';

/** Lines that wait for a logger. */
export interface LogQueue {
  push(line: string): void;
  /** The oldest lines, as many as are handed over at once. */
  peek(): readonly string[];
  /** The oldest `count` lines were taken. */
  remove(count: number): void;
}

const BATCH = 50;

/** Keeps the oldest `maxLines`; a line in the gap tells how many did not fit. */
export function createLogQueue(maxLines: number): LogQueue {
  const lines: string[] = [];
  let dropped = 0;
  const tellDropped = (): void => {
    if (dropped === 0 || lines.length >= maxLines) return;
    const message = 'lines were not taken by the system logger and dropped here: the log of the pod has them';
    lines.push(toLogLine({ level: 'warn', message, count: dropped }));
    dropped = 0;
  };
  return {
    push(line) {
      tellDropped();
      if (lines.length < maxLines) lines.push(line);
      else dropped += 1;
    },
    peek: () => lines.slice(0, BATCH),
    remove(count) {
      lines.splice(0, count);
      if (lines.length === 0) tellDropped();
    },
  };
}
