import { styleText } from 'node:util';
import cliProgress from 'cli-progress';
import { isTerminalPhase } from '../domain/progress.ts';
import type { CliContext } from './context.ts';
import {
  describeNodes,
  describeRequests,
  type FleetObjects,
  type NodeRow,
  type RequestRow,
} from './fleet.ts';
import { cut, formatBytes, formatDuration, formatTable, wrap } from './table.ts';

/** How the picture is drawn. */
export interface ViewOptions {
  /** Characters in a line, at most. */
  readonly width: number;
  readonly hasColour: boolean;
}

type Colour = 'green' | 'red' | 'cyan' | 'yellow' | 'dim';

const BAR_CHARS = 16;
const BAR_OPTIONS = {
  barsize: BAR_CHARS,
  barCompleteString: '█'.repeat(BAR_CHARS),
  barIncompleteString: '░'.repeat(BAR_CHARS),
  barGlue: '',
};

const MAX_WIDTH = 100;

/** The whole picture as lines. */
export function drawFleet(objects: FleetObjects, context: CliContext): string[] {
  const options = { width: Math.min(context.columns, MAX_WIDTH), hasColour: context.isTerminal };
  const nodes = describeNodes(objects, context.clock.nowMs());
  return [...drawRequests(describeRequests(objects), options), '', ...drawNodes(nodes, options)];
}

/** The requests, one line each, and below it what they have to say. */
export function drawRequests(rows: readonly RequestRow[], options: ViewOptions): string[] {
  if (rows.length === 0) return ['No requests. Make one: see kubectl explain osupgrade.spec'];
  const cells = rows.map(row => [
    cut(row.name, 30),
    cut(row.resolved && row.resolved !== row.desired ? `${row.desired} = ${row.resolved}` : row.desired, 24),
    cut(row.phase, 20),
    cut(row.counts || '-', 48),
  ]);
  const [head = '', ...lines] = formatTable([['REQUEST', 'VERSION', 'PHASE', 'NODES'], ...cells]);
  return [
    cut(head, options.width),
    ...rows.flatMap((row, index) => [
      paint(cut(lines[index] ?? '', options.width), row.phase, phaseColour(row.phase), options),
      ...drawMessage(row.message, options),
    ]),
  ];
}

/** The nodes, one line each, and below it what they do or wait for. */
export function drawNodes(rows: readonly NodeRow[], options: ViewOptions): string[] {
  if (rows.length === 0) return ['No nodes with an agent. Install it: ctl create all --image IMAGE'];
  const cells = rows.map(row => [
    cut(row.name, 28),
    cut(versionCell(row), 32),
    row.phase,
    progressCell(row),
    row.flags.join(', '),
  ]);
  const [head = '', ...lines] = formatTable([['NODE', 'VERSION', 'PHASE', 'PROGRESS', ''], ...cells]);
  return [
    cut(head, options.width),
    ...rows.flatMap((row, index) => [
      paint(cut(lines[index] ?? '', options.width), row.phase, phaseColour(row.phase), options),
      ...drawMessage(row.phase === 'Completed' ? '' : row.message, options),
    ]),
  ];
}

const versionCell = ({ current, target, phase }: NodeRow): string =>
  target === '' || target === current || phase === 'Completed'
    ? current || target || '?'
    : `${current || '?'} → ${target}`;

function progressCell({ bytes, durationMs, phase }: NodeRow): string {
  const time = durationMs === undefined ? '' : formatDuration(durationMs);
  if (bytes === undefined) return isTerminalPhase(phase) && time !== '' ? `took ${time}` : time;
  if (bytes.total === 0) return `${formatBytes(bytes.done)} ${time}`.trim();
  const share = Math.min(1, bytes.done / bytes.total);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `${drawBar(share)} ${percent} of ${formatBytes(bytes.total)}`;
}

/** A bar for a share between 0 and 1. */
export const drawBar = (share: number): string => cliProgress.Format.BarFormat(share, BAR_OPTIONS);

const drawMessage = (message: string, { width, hasColour }: ViewOptions): string[] =>
  wrap(message, width - 4).map(line => `    ${hasColour ? colour('dim', line) : line}`);

function phaseColour(phase: string): Colour {
  if (/^(Completed|Accepted)/.test(phase)) return 'green';
  if (/^(Failed|RolledBack|Rejected)/.test(phase)) return 'red';
  return /^(Idle|New)/.test(phase) ? 'dim' : 'cyan';
}

const colour = (name: Colour, text: string): string => styleText(name, text, { validateStream: false });

/** Colours one word of a line, after the columns have been aligned. */
function paint(line: string, word: string, name: Colour, { hasColour }: ViewOptions): string {
  const at = hasColour ? line.lastIndexOf(word) : -1;
  return at < 0 ? line : `${line.slice(0, at)}${colour(name, word)}${line.slice(at + word.length)}`;
}
