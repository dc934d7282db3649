import type { OSUpgrade } from '../api/monok8s/index.ts';
import type { OS } from '../api/openeuler/index.ts';
import type { RequestStatus } from '../api/request-status.ts';
import { byAge } from '../domain/progress.ts';
import { keyOf } from '../domain/request.ts';

/** The requests of both APIs. */
export interface RequestObjects {
  readonly upgrades: readonly OSUpgrade[];
  readonly oses: readonly OS[];
}

/** One request, as a person wants to see it. */
export interface RequestRow {
  /** `my-upgrade`, `default/os-sample` */
  readonly name: string;
  /** `upgrade` or `rollback` */
  readonly operation: string;
  readonly desired: string;
  readonly resolved: string;
  readonly phase: string;
  /** `3 nodes: 1 updated, 2 waiting` */
  readonly counts: string;
  readonly message: string;
}

/** The requests of both APIs, oldest first. */
export const describeRequests = ({ upgrades, oses }: RequestObjects): RequestRow[] =>
  [...upgrades.map(fromOSUpgrade), ...oses.map(fromOS)]
    .toSorted((left, right) => byAge(left.object, right.object))
    .map(({ row }) => row);

const fromOSUpgrade = (object: OSUpgrade) => {
  const { metadata, spec, status } = object;
  const row = {
    name: metadata.name,
    operation: 'upgrade',
    desired: spec.version,
    resolved: status?.resolvedVersion ?? '',
    ...describeStatus(status),
  };
  return { object, row: spec.paused ? { ...row, phase: `${row.phase} (paused)` } : row };
};

const fromOS = (object: OS) => {
  const { metadata, spec, status } = object;
  const { opstype: operation, osversion: desired } = spec;
  return {
    object,
    row: { name: keyOf(metadata), operation, desired, resolved: '', ...describeStatus(status) },
  };
};

function describeStatus(status: RequestStatus | undefined): Pick<RequestRow, 'phase' | 'counts' | 'message'> {
  if (status === undefined)
    return { phase: 'New', counts: '', message: 'no controller has looked at it yet' };
  const { phase = 'New', reason, nodes, message = '' } = status;
  const isOver = phase === 'Accepted' && reason === 'Superseded';
  return {
    phase: isOver ? 'Superseded' : phase,
    counts: describeCounts(nodes),
    message: [message, ...(isOver ? [] : concerns(status))].filter(Boolean).join('; '),
  };
}

/** What a person should know beside the message: nodes that a newer request took, agents that say nothing. */
function concerns({ phase, conditions = [] }: RequestStatus): string[] {
  if (phase === 'Rejected') return [];
  return (
    conditions
      .filter(({ type, status }) => status === 'True' && (type === 'Superseded' || type === 'Degraded'))
      // Why nodes failed stands with the nodes.
      .filter(({ reason }) => reason !== 'NodesFailed')
      .map(({ message }) => message)
  );
}

function describeCounts(counts: RequestStatus['nodes']): string {
  if (counts === undefined) return '';
  const { total, ...parts } = counts;
  const named = Object.entries(parts)
    .filter(([, count]) => count > 0)
    .map(([part, count]) => `${count} ${part}`);
  return `${total} ${total === 1 ? 'node' : 'nodes'}${named.length > 0 ? `: ${named.join(', ')}` : ''}`;
}

/** The request that began last is an `OS`, which counts versions by PRETTY_NAME: so do the nodes that have no work. */
export function countsNames({ upgrades, oses }: RequestObjects): boolean {
  const startOf = ({ status }: { readonly status?: RequestStatus }): string => status?.rolloutStartedAt ?? '';
  const lastOf = (requests: readonly { readonly status?: RequestStatus }[]): string =>
    requests.map(startOf).toSorted().at(-1) ?? '';
  return oses.length > 0 && lastOf(oses) >= lastOf(upgrades);
}
