import { expect } from 'chai';
import type { Gate, OSUpgrade, OSUpgradeProgress, OSUpgradeStatus } from '../../../src/api/monok8s/index.ts';
import type { OS } from '../../../src/api/openeuler/index.ts';
import type { InstanceState, NodeState } from '../../../src/domain/node-state.ts';
import { decideNode } from '../../../src/reconcilers/node/decide.ts';
import type { DrainView, NodeAction } from '../../../src/reconcilers/node/decision.ts';
import {
  ago,
  fleet,
  NOW,
  NOW_MS,
  node,
  os,
  type ProgressToMake,
  pod,
  progress,
  request,
} from '../objects.ts';

/** One row: what is there, and what is to be done for node n1. */
export interface Case {
  readonly name: string;
  readonly nodes?: readonly NodeState[];
  readonly requests?: readonly OSUpgrade[];
  readonly oses?: readonly OS[];
  readonly hasInstance?: boolean;
  readonly progresses?: readonly OSUpgradeProgress[];
  readonly drain?: DrainView;
  readonly reserved?: readonly string[];
  /** Each action of node n1 in short. */
  readonly actions: readonly string[];
  readonly watchPods?: boolean;
  readonly recheckInMs?: number;
  readonly message?: RegExp;
}

/** Waits at the gate. */
export const staged = { status: { phase: 'Staged', attempt: 1 } } as const;
/** A gate that says why it stays closed. */
export const closed = (reason: string, message: string): { gate: Partial<Gate> } => ({
  gate: { state: 'Closed', attempt: 1, since: NOW, reason, message },
});
/** A drain that began so many seconds ago. */
export const drainingSince = (seconds: number, more: Partial<Gate> = {}) =>
  ({
    gate: {
      state: 'Draining',
      attempt: 1,
      since: ago(seconds),
      reason: 'Draining',
      message: 'the node is being drained',
      ...more,
    },
    status: { phase: 'Draining', attempt: 1 },
  }) as const;
/** Labels of a node with an agent. */
export const MANAGED = { 'monok8s.io/managed': 'true' };
/** The label that is an administrator’s own. */
export const SELECTOR = 'upgrade.openeuler.org/node-selector';
/** The drain policy by default. */
export const POLICY = { timeoutSeconds: 1800, force: true, deleteEmptyDirData: true, skip: false };
/** An OSInstance on which nothing is done. */
export const idle: InstanceState = {
  uid: 'i1',
  resourceVersion: '1',
  spec: { nodestatus: 'idle' },
  isOwnedByNode: true,
};

/** Labels of upstream KubeOS, with no value. */
export const labelled = (...names: string[]): Record<string, string> =>
  Object.fromEntries(names.map(name => [`upgrade.openeuler.org/${name}`, '']));

/** A node on which everything says that `OS default/up` works there. */
export function atWorkForOS(more: Partial<NodeState>): NodeState {
  const spec = { nodestatus: 'upgrade', namespacedname: { name: 'up', namespace: 'default' } };
  return node('n1', {
    labels: { ...MANAGED, ...labelled('upgrading') },
    instance: { ...idle, spec },
    ...more,
  });
}

/** The plan of `OS default/up` on the node. */
export const forOS = (make: Partial<ProgressToMake>) => ({
  oses: [os('up')],
  progresses: [progress({ on: 'n1', kind: 'OS', ...make })],
});

/** Cordoned by the plan `up-n1-1`. */
export const cordoned = { unschedulable: true, annotations: { 'monok8s.io/cordoned-by': 'up-n1-1' } };
/** One staged plan. */
export const atGate = [progress({ on: 'n1', ...staged })];
/** One plan whose node is being drained. */
export const drains = [progress({ on: 'n1', ...drainingSince(10) })];
/** Of a request that began last. */
export const newer: OSUpgradeStatus = { rolloutStartedAt: ago(1) };
/** Nothing was asked for yet. */
export const NO_EVICTIONS = new Map();
/** What is known of a drain at its beginning. */
export const pods = (...list: ReturnType<typeof pod>[]): DrainView => ({ pods: list, asked: NO_EVICTIONS });
/** An eviction that a budget has refused for a minute. */
export const refusal = { sinceMs: NOW_MS - 60_000, budget: 'web-pdb', message: 'x' };

/** What a person made, taken over for a request. */
export const adopted = (made: OSUpgradeProgress): OSUpgradeProgress => ({
  ...made,
  spec: { ...made.spec, sourceRef: { ...made.spec.sourceRef, uid: 'uid-of-up' } },
});

/** A pod that nobody makes anew. */
export const bare = withoutOwner('a');
/** Bare pods are not evicted. */
export const keepsBarePods = [request('up', { drain: { force: false } })];
/** Pods with an emptyDir are not evicted. */
export const keepsData = [request('up', { drain: { deleteEmptyDirData: false } })];

/** A pod without a controller. */
export function withoutOwner(name: string): ReturnType<typeof pod> {
  const { ownerKind: _, ownerUid: __, ...rest } = pod(name);
  return rest;
}

function inShort(action: NodeAction): string {
  switch (action.type) {
    case 'label':
      return `label ${Object.entries(action.labels)
        .map(([name, value]) => `${name.replace(/.*\//, '')}${value === null ? '-' : ''}`)
        .join(' ')}`;
    case 'gate':
      return `gate ${action.gate.state} ${action.gate.attempt} ${action.gate.reason}`;
    case 'evict':
      return ['evict', ...action.podUids].join(' ');
    case 'refuse':
      return `refuse ${action.progress.metadata.name} ${action.why.reason}`;
    case 'instance': {
      const { nodestatus = '', namespacedname } = action.spec ?? {};
      return ['instance', nodestatus, namespacedname?.name ?? ''].join(' ').trim();
    }
    case 'uncordon':
      return ['uncordon', ...action.labels.map(name => `${name.replace(/.*\//, '')}-`)].join(' ');
    case 'delete':
    case 'deleteOutdated':
    case 'failUnknownNode':
      return `${action.type} ${action.progress.metadata.name}`;
    default:
      return action.type;
  }
}

/** Decides about node n1 and compares with what is wanted. */
export function expectDecision(want: Case): void {
  const { nodes = [node('n1')], oses = [], progresses = [] } = want;
  const requests = want.requests ?? (oses.length === 0 ? [request('up')] : []);
  const decision = decideNode({
    name: 'n1',
    fleet: fleet(nodes, [...requests, ...oses], progresses),
    hasInstance: want.hasInstance ?? false,
    reserved: new Set(want.reserved),
    drain: want.drain ?? { asked: NO_EVICTIONS },
    nowMs: NOW_MS,
    defaultZone: 'UTC',
    systemNamespace: 'mono-system',
  });
  expect(decision.actions.map(inShort)).to.deep.equal(want.actions);
  if (want.watchPods !== undefined) expect(decision.watchPods).to.equal(want.watchPods);
  if (want.recheckInMs !== undefined) expect((decision.recheckAtMs ?? 0) - NOW_MS).to.equal(want.recheckInMs);
  if (want.message !== undefined) {
    const gates = decision.actions.flatMap(action => (action.type === 'gate' ? [action.gate.message] : []));
    expect(gates[0]).to.match(want.message);
  }
}
