import { toTimestamp } from '../domain/clock.ts';
import type { FullKubeClient } from '../kube/client.ts';
import { createInformer } from '../kube/informer.ts';
import type { Informer } from '../kube/types.ts';
import { type CliContext, createCliLog, print } from './context.ts';
import { describeNodes, type FleetObjects, type NodeRow } from './fleet.ts';
import type { FleetKind, FleetKinds } from './fleet-kinds.ts';
import { describeRequests, type RequestRow } from './fleet-requests.ts';
import { drawFleet } from './fleet-view.ts';
import { clean } from './table.ts';

/** At most so many pictures in a second, however much happens. */
const MIN_INTERVAL_MS = 200;
/** Durations in the picture grow while nothing happens. */
const TICK_MS = 1000;

/** Follows the fleet until the context's signal: draws over the old picture on a terminal, else a line for each change. */
export async function watchFleet(
  client: FullKubeClient,
  kinds: FleetKinds,
  context: CliContext,
): Promise<void> {
  // The caches end with the picture, whatever ended that, and before the client is closed.
  const ending = new AbortController();
  const signal = AbortSignal.any([context.signal, ending.signal]);
  const render = context.isTerminal ? createScreen(context) : createChangeLog(context);
  let redraw = () => {};
  try {
    const fleet = await followFleet(client, kinds, { ...context, signal }, () => redraw());
    await repeat(
      () => render(fleet()),
      signal,
      schedule => {
        redraw = schedule;
      },
    );
  } finally {
    ending.abort();
  }
}

/** Draws now, at every tick, and soon after each call of what it hands out; until the signal, or until drawing fails. */
function repeat(
  draw: () => void,
  signal: AbortSignal,
  onReady: (schedule: () => void) => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;
  const drawNow = () => {
    timer = undefined;
    try {
      if (!signal.aborted) draw();
    } catch (error) {
      reject(error);
    }
  };
  const schedule = () => {
    timer ??= setTimeout(drawNow, MIN_INTERVAL_MS);
  };
  const tick = setInterval(schedule, TICK_MS);
  if (signal.aborted) resolve();
  signal.addEventListener('abort', () => resolve(), { once: true });
  onReady(schedule);
  drawNow();
  return promise.finally(() => {
    clearInterval(tick);
    clearTimeout(timer);
  });
}

/** Starts a cache for each kind that may be read; answers what reads them all. */
async function followFleet(
  client: FullKubeClient,
  kinds: FleetKinds,
  { clock, signal }: CliContext,
  onChange: () => void,
): Promise<() => FleetObjects> {
  const log = await createCliLog();
  let isReady = false;
  const follow = async <T>({
    resource,
    selection,
    isAllowed,
  }: FleetKind<T>): Promise<Pick<Informer<T>, 'list'>> => {
    if (!isAllowed) return { list: () => [] };
    const onOwnChange = () => {
      if (isReady) onChange();
    };
    const options = { client, resource, selection, log, clock, random: Math.random, onChange: onOwnChange };
    const informer = createInformer(options);
    await informer.start(signal);
    return informer;
  };
  const [upgrades, oses, progresses, instances, nodes] = await Promise.all([
    follow(kinds.upgrades),
    follow(kinds.oses),
    follow(kinds.progresses),
    follow(kinds.instances),
    follow(kinds.nodes),
  ]);
  isReady = true;
  return () => ({
    upgrades: upgrades.list(),
    oses: oses.list(),
    progresses: progresses.list(),
    instances: instances.list(),
    nodes: nodes.list(),
  });
}

const CLEAR = '\x1b[2J';
const HOME = '\x1b[H';
const CLEAR_LINE_END = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

/** Draws each picture over the one before, without flicker. */
function createScreen(context: CliContext): (objects: FleetObjects) => void {
  context.stdout.write(CLEAR);
  return objects => {
    const lines = drawFleet(objects, context);
    const room = context.rows - 2;
    const shown =
      lines.length <= room ? lines : [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more lines`];
    const text = shown.map(line => `${line}${CLEAR_LINE_END}\n`).join('');
    context.stdout.write(`${HOME}${text}${CLEAR_BELOW}`);
  };
}

/** Writes a line for each request and node that changed in anything but its duration. */
function createChangeLog(context: CliContext): (objects: FleetObjects) => void {
  const last = new Map<string, string>();
  return objects => {
    const nowMs = context.clock.nowMs();
    const lines = [
      ...describeRequests(objects).map(row => [`request ${row.name}`, requestLine(row)] as const),
      ...describeNodes(objects, nowMs).map(row => [`node ${row.name}`, nodeLine(row)] as const),
    ];
    for (const [subject, text] of lines) {
      if (last.get(subject) === text) continue;
      last.set(subject, text);
      print(context, clean(`${toTimestamp(nowMs)} ${subject}: ${text}`));
    }
  };
}

const requestLine = ({ operation, desired, resolved, phase, counts, message }: RequestRow): string =>
  [
    `${operation} to ${desired}${resolved && resolved !== desired ? ` = ${resolved}` : ''}`,
    phase,
    counts,
    message,
  ]
    .filter(Boolean)
    .join(', ');

function nodeLine({ current, target, phase, bytes, flags, message }: NodeRow): string {
  const share = bytes && bytes.total > 0 ? `${Math.floor((bytes.done / bytes.total) * 100)}%` : '';
  const version = target === '' || target === current ? current : `${current} → ${target}`;
  return [version, `${phase} ${share}`.trim(), ...flags, message].filter(Boolean).join(', ');
}
