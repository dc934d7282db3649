import { MANAGED_LABEL, type OSUpgradeProgress, type Phase } from '../api/monok8s/index.ts';
import type { OSInstance } from '../api/openeuler/index.ts';
import type { NodeFacts } from '../domain/node.ts';
import { byAge, isTerminal, isTerminalPhase } from '../domain/progress.ts';
import { countsNames, type RequestObjects } from './fleet-requests.ts';

/** The objects that the picture of the fleet is made of. */
export interface FleetObjects extends RequestObjects {
  readonly progresses: readonly OSUpgradeProgress[];
  readonly instances: readonly OSInstance[];
  readonly nodes: readonly NodeFacts[];
}

/** One node, as a person wants to see it. */
export interface NodeRow {
  readonly name: string;
  readonly current: string;
  readonly target: string;
  readonly phase: Phase | 'Idle';
  /** `NotReady`, `cordoned` */
  readonly flags: readonly string[];
  readonly bytes?: { readonly done: number; readonly total: number };
  /** Milliseconds that the phase lasts, or that the whole upgrade took once it has ended. */
  readonly durationMs?: number;
  readonly message: string;
}

/** Every node that has an agent or something to do, by name. */
export function describeNodes(objects: FleetObjects, nowMs: number): NodeRow[] {
  const { nodes, instances, progresses } = objects;
  const facts = new Map(nodes.map(node => [node.name, node]));
  const reports = new Map(instances.map(instance => [instance.metadata.name, instance]));
  const work = Map.groupBy(progresses, ({ spec }) => spec.nodeName);
  const managed = nodes.filter(({ labels }) => labels[MANAGED_LABEL] === 'true').map(({ name }) => name);
  const versionField = countsNames(objects) ? 'prettyName' : 'version';
  const names = new Set([...managed, ...reports.keys(), ...work.keys()]);
  return [...names].sort(byName).map(name => {
    const row = describeWork(chooseProgress(work.get(name) ?? []), nowMs);
    const booted = reports.get(name)?.status?.slots?.find(slot => slot.booted);
    const current = row.current || booted?.[versionField] || '';
    return { ...row, name, current, flags: flagsOf(facts.get(name)) };
  });
}

const byName = new Intl.Collator('en', { numeric: true }).compare;

/** What the node works on: the oldest that has not ended, else the newest. */
function chooseProgress(progresses: readonly OSUpgradeProgress[]): OSUpgradeProgress | undefined {
  const sorted = progresses.toSorted(byAge);
  return sorted.find(progress => !isTerminal(progress)) ?? sorted.at(-1);
}

const flagsOf = (node: NodeFacts | undefined): string[] =>
  node === undefined
    ? ['no such node']
    : [...(node.ready ? [] : ['NotReady']), ...(node.unschedulable ? ['cordoned'] : [])];

function describeWork(
  progress: OSUpgradeProgress | undefined,
  nowMs: number,
): Omit<NodeRow, 'name' | 'flags'> {
  if (progress === undefined) return { current: '', target: '', phase: 'Idle', message: '' };
  const { spec, status = {} } = progress;
  const durationMs = durationOf(status, nowMs);
  return {
    current: status.currentVersion ?? '',
    target: status.targetVersion ?? spec.plan?.targetVersion ?? '',
    phase: status.phase ?? 'Pending',
    ...(durationMs !== undefined && { durationMs }),
    ...(isMoving(status.phase) &&
      status.progress && { bytes: { done: status.progress.bytesDone, total: status.progress.bytesTotal } }),
    message: [status.failureReason, status.message].filter(Boolean).join(': '),
  };
}

const isMoving = (phase: Phase | undefined): boolean => phase === 'Downloading' || phase === 'Installing';

type Status = NonNullable<OSUpgradeProgress['status']>;

function durationOf({ phase, startedAt, completedAt, history }: Status, nowMs: number): number | undefined {
  const since = isTerminalPhase(phase) ? startedAt : history?.at(-1)?.startedAt;
  const until = isTerminalPhase(phase) ? completedAt : undefined;
  if (!since || (isTerminalPhase(phase) && !until)) return undefined;
  const durationMs = (until ? Date.parse(until) : nowMs) - Date.parse(since);
  return Number.isFinite(durationMs) && durationMs >= 0 ? durationMs : undefined;
}
