import { styleText } from 'node:util';
import cliProgress from 'cli-progress';
import { isTerminalPhase } from '../domain/progress.ts';
import type { CliContext } from './context.ts';
import { describeNodes, type FleetObjects, type NodeRow } from './fleet.ts';
import { describeRequests, type RequestRow } from './fleet-requests.ts';
import { clean, cut, cutArrow, fitColumns, formatBytes, formatDuration, formatTable, wrap } from './table.ts';

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

const REQUEST_HEAD = ['REQUEST', 'OPERATION', 'VERSION', 'PHASE', 'NODES'];

/** The requests, one line each, and below it what they have to say. */
export function drawRequests(rows: readonly RequestRow[], options: ViewOptions): string[] {
  if (rows.length === 0)
    return ['No requests. Make one: see kubectl explain osupgrade.spec, or os.spec for KubeOS'];
  const cells = rows.map(({ name, operation, desired, resolved, phase, counts }) =>
    [name, operation, resolved && resolved !== desired ? `${desired} = ${resolved}` : desired, phase, counts]
      .map(clean)
      .map(text => text || '-'),
  );
  const widths = fitColumns([REQUEST_HEAD, ...cells], options.width, [0, 2, 4]);
  const fitted = cells.map(row => row.map((text, column) => cut(text, widths[column] ?? 0)));
  return drawTable([REQUEST_HEAD, ...fitted], rows, options);
}

const NODE_HEAD = ['NODE', 'VERSION', 'PHASE', 'PROGRESS', ''];

/** The nodes, one line each, and below it what they do or wait for. */
export function drawNodes(rows: readonly NodeRow[], options: ViewOptions): string[] {
  if (rows.length === 0) return ['No nodes with an agent. Install it: ctl create all --image IMAGE'];
  const cells = rows.map(row => [
    clean(row.name),
    versionCell(row, Number.POSITIVE_INFINITY),
    row.phase,
    progressCell(row),
    row.flags.join(', '),
  ]);
  const widths = fitColumns([NODE_HEAD, ...cells], options.width, [0, 1]);
  const [nameWidth = 0, versionWidth = 0] = widths;
  const fitted = cells.map(([name = '', _, ...others], index) => {
    const row = rows[index];
    return [cut(name, nameWidth), row === undefined ? '' : versionCell(row, versionWidth), ...others];
  });
  const told = rows.map(row => (row.phase === 'Completed' ? { ...row, message: '' } : row));
  return drawTable([NODE_HEAD, ...fitted], told, options);
}

/** A heading, then for each row its line and below it its message. */
function drawTable(
  table: readonly (readonly string[])[],
  rows: readonly { readonly phase: string; readonly message: string }[],
  options: ViewOptions,
): string[] {
  const [head = '', ...lines] = formatTable(table);
  return [
    cut(head, options.width),
    ...rows.flatMap(({ phase, message }, index) => [
      paint(cut(lines[index] ?? '', options.width), phase, phaseColour(phase), options),
      ...drawMessage(message, options),
    ]),
  ];
}

function versionCell({ current, target, phase }: NodeRow, width: number): string {
  const isThere = target === '' || target === current || phase === 'Completed';
  return isThere ? cut(current || target || '?', width) : cutArrow(current || '?', target, width);
}

function progressCell({ bytes, durationMs, phase }: NodeRow): string {
  const time = durationMs === undefined ? '' : formatDuration(durationMs);
  if (bytes === undefined) return isTerminalPhase(phase) && time !== '' ? `took ${time}` : time;
  if (bytes.total === 0) return `${formatBytes(bytes.done)} ${time}`.trim();
  const share = Math.min(1, bytes.done / bytes.total);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `${drawBar(share)} ${percent} of ${formatBytes(bytes.total)}`;
}

/** A bar for a share between 0 and 1. */
const drawBar = (share: number): string => cliProgress.Format.BarFormat(share, BAR_OPTIONS);

const drawMessage = (message: string, { width, hasColour }: ViewOptions): string[] =>
  wrap(message, width - 4).map(line => `    ${hasColour ? colour('dim', line) : line}`);

function phaseColour(phase: string): Colour {
  if (/^(Completed|Accepted)/.test(phase)) return 'green';
  if (/^(Failed|RolledBack|Rejected)/.test(phase)) return 'red';
  return /^(Idle|New|Superseded)/.test(phase) ? 'dim' : 'cyan';
}

const colour = (name: Colour, text: string): string => styleText(name, text, { validateStream: false });

/** Colours one word of a line, after the columns have been aligned. */
function paint(line: string, word: string, name: Colour, { hasColour }: ViewOptions): string {
  const at = hasColour ? line.lastIndexOf(word) : -1;
  return at < 0 ? line : `${line.slice(0, at)}${colour(name, word)}${line.slice(at + word.length)}`;
}
