import type { OSUpgradeProgressStatus } from '../../../src/api/monok8s/index.ts';
import { type OSStatus, StoredOSSpec } from '../../../src/api/openeuler/index.ts';
import type { NodeState } from '../../../src/domain/node-state.ts';
import { ago, node as nodeOf, os, type ProgressToMake, progress as progressOf } from '../objects.ts';
import { type Case, expectDecision } from './cases.ts';

/** A worker that runs KubeOS 1.0.0. */
export const node = (name: string, more: Partial<NodeState> = {}): NodeState =>
  nodeOf(name, { osImage: 'KubeOS 1.0.0', ...more });
/** The object of an `OS` on a node. */
export const progress = (make: ProgressToMake) => progressOf({ kind: 'OS', ...make });
/** A node with a value of the selector label. */
export const labelled = (name: string, value: string, more: Partial<NodeState> = {}): NodeState =>
  node(name, { labels: { 'upgrade.openeuler.org/node-selector': value }, ...more });
/** A node of a serial batch. */
export const inTurn = (name: string, more: Partial<NodeState> = {}): NodeState =>
  node(name, { labels: { 'upgrade.openeuler.org/serial': '' }, ...more });
/** `OS default/up`, accepted. */
export const up = (spec: object = {}, status: OSStatus | null = {}) => os('up', spec, status);

/** Three workers. */
export const three = [node('n1'), node('n2'), node('n3')];
/** Says that the rollout has acted on the node. */
export const mark = { 'monok8s.io/rollout': 'uid-of-up/1' };
/** Of a request that began last. */
export const newer: OSStatus = { rolloutStartedAt: ago(1) };
/** Of a request that began long ago. */
export const older: OSStatus = { rolloutStartedAt: ago(5000) };
/** Nobody has accepted it yet. */
export const NEW: OSStatus = { phase: 'Pending' };
/** At work, nothing disturbed. */
export const downloading = { status: { phase: 'Downloading', attempt: 1 } } as const;
/** The node is being drained. */
export const draining = {
  gate: { state: 'Draining', attempt: 1 },
  status: { phase: 'Draining', attempt: 1 },
} as const;
/** The node is away, its agent heard so many seconds ago. */
export const rebooting = (secondsAgo: number) =>
  ({
    gate: { state: 'Open', attempt: 1 },
    status: { phase: 'Rebooting', attempt: 1, lastUpdatedAt: ago(secondsAgo) },
  }) as const;
/** Completed. */
export const done = (more: OSUpgradeProgressStatus = {}) =>
  ({ status: { phase: 'Completed', attempt: 1, completedAt: ago(400), ...more } }) as const;
/** Ended without success. */
export const failed = {
  status: { phase: 'Failed', attempt: 1, failureReason: 'InsecureAddress', message: 'plain http' },
} as const;
/** Fields of a rollback. */
export const rollback = { opstype: 'rollback', osversion: 'KubeOS 0.9.0', imagetype: '' };
/** What an older schema let through. */
export const stored = (spec: object) => ({ ...up(), spec: StoredOSSpec.parse(spec) });
/** `n01` to `n41`, say. */
export const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `n${String(from + i).padStart(2, '0')}`);
/** So many workers. */
export const all = (count: number, more: (name: string) => NodeState = name => node(name)): NodeState[] =>
  names(1, count).map(more);

/** Makes one test of each row, in its group. The request is `OS default/up` if a row names none. */
export function testGroups(groups: Readonly<Record<string, readonly Case[]>>): void {
  for (const [group, cases] of Object.entries(groups))
    describe(group, () => {
      for (const want of cases) it(want.name, () => expectDecision({ request: up(), ...want }));
    });
}
