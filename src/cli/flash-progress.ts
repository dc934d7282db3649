import cliProgress from 'cli-progress';
import type { StageProgress } from '../agent/ports.ts';
import type { Clock } from '../domain/clock.ts';
import type { TextOutput } from './context.ts';
import { formatBytes } from './table.ts';

/** A line that is no bar comes at most so often. */
const LINE_EVERY_MS = 5_000;
const WORDS = { Downloading: 'writing', Installing: 'reading back' } as const;

/** Shows how far a slot is. */
export interface ProgressView {
  show(progress: StageProgress): void;
  /** Leaves the terminal as it was. */
  stop(): void;
}

/** Lines, for a log or a pipe. */
export function progressLines(output: TextOutput, clock: Clock): ProgressView {
  let [phase, startedMs, toldMs]: [StageProgress['phase'] | undefined, number, number] = [undefined, 0, 0];
  return {
    show: progress => {
      const nowMs = clock.monotonicMs();
      if (phase !== progress.phase) [phase, startedMs, toldMs] = [progress.phase, nowMs, nowMs];
      const isLast = progress.bytesTotal > 0 && progress.bytesDone >= progress.bytesTotal;
      if (!isLast && nowMs - toldMs < LINE_EVERY_MS) return;
      toldMs = nowMs;
      output.write(`${textOf(progress, nowMs - startedMs)}\n`);
    },
    stop: () => undefined,
  };
}

/** One line of progress: `writing: 120 MiB of 244 MiB, 49%, 61 MB/s`. */
export function textOf({ phase, bytesDone, bytesTotal }: StageProgress, elapsedMs: number): string {
  const share = bytesTotal > 0 ? ` of ${formatBytes(bytesTotal)}, ${percent(bytesDone, bytesTotal)}%` : '';
  return `${WORDS[phase]}: ${formatBytes(bytesDone)}${share}${rateOf(bytesDone, elapsedMs)}`;
}

/** Rounded down: 100 only at the end. */
const percent = (done: number, total: number): number => Math.floor((100 * Math.min(done, total)) / total);

function rateOf(bytes: number, elapsedMs: number): string {
  if (elapsedMs < 1000) return '';
  const megabytes = bytes / 1e3 / elapsedMs;
  return `, ${megabytes < 10 ? megabytes.toFixed(1) : Math.round(megabytes)} MB/s`;
}

/** A bar for a terminal. */
export function progressBar(terminal: NodeJS.WritableStream, clock: Clock): ProgressView {
  let bar: cliProgress.SingleBar | undefined;
  let [phase, startedMs]: [StageProgress['phase'] | undefined, number] = [undefined, 0];
  return {
    show: progress => {
      const nowMs = clock.monotonicMs();
      if (phase !== progress.phase) {
        bar?.stop();
        [phase, startedMs] = [progress.phase, nowMs];
        bar = makeBar(terminal, progress.bytesTotal > 0);
        bar.start(progress.bytesTotal || 1, 0, { text: '' });
      }
      if (progress.bytesTotal > 0) bar?.setTotal(progress.bytesTotal);
      bar?.update(progress.bytesDone, { text: textOf(progress, nowMs - startedMs) });
    },
    stop: () => bar?.stop(),
  };
}

const makeBar = (stream: NodeJS.WritableStream, isTotalKnown: boolean): cliProgress.SingleBar =>
  new cliProgress.SingleBar(
    { stream, format: isTotalKnown ? '{bar} {text}' : '{text}', barsize: 24, hideCursor: true, fps: 5 },
    cliProgress.Presets.shades_classic,
  );
