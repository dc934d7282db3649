import { expect } from 'chai';
import type { OSUpgrade, OSUpgradeProgress } from '../../../src/api/monok8s/index.ts';
import type { OS } from '../../../src/api/openeuler/index.ts';
import type { NodeState } from '../../../src/domain/node-state.ts';
import { decideRequest } from '../../../src/reconcilers/request/decide.ts';
import type { CatalogAnswer } from '../../../src/reconcilers/request/decision.ts';
import { createTargetSource } from '../../../src/reconcilers/request/target-source.ts';
import { fleet, isOS, NOW_MS, request, requestOf } from '../objects.ts';

/** What a request meets, and what is to become of it. What is not named is not looked at. */
export interface Case {
  readonly name: string;
  readonly nodes?: readonly NodeState[];
  readonly request?: OSUpgrade | OS;
  readonly others?: readonly (OSUpgrade | OS)[];
  readonly progresses?: readonly OSUpgradeProgress[];
  readonly catalog?: CatalogAnswer;
  readonly serverVersion?: string;
  /** Nodes that get a plan now. */
  readonly plans?: readonly string[];
  readonly phase?: string;
  readonly reason?: string;
  readonly message?: RegExp;
  readonly counts?: object;
  readonly skipped?: readonly [string, string][];
  readonly refused?: readonly [string, string][];
  readonly unmarked?: readonly string[];
  /** Condition type and reason of those that are True. */
  readonly conditions?: object;
  readonly recheckInMs?: number;
  /** Nodes that enter (`+`) or leave (`-`) the batch of a serial request. */
  readonly turns?: readonly string[];
}

/** The request as the controller looks at it. */
export function asked(subject: OSUpgrade | OS, catalog: CatalogAnswer = { state: 'reading' }) {
  const request = requestOf(subject);
  const targets = createTargetSource(worldOf(subject), { answer: () => catalog });
  return { request, ...targets.answer(request) };
}

const none = { get: () => undefined, list: () => [] };
const only = <T>(subject: T) => ({ get: () => subject, list: () => [subject] });

const worldOf = (subject: OSUpgrade | OS) =>
  isOS(subject) ? { upgrades: none, oses: only(subject) } : { upgrades: only(subject), oses: none };

/** Decides about one case, and compares. */
export function expectDecision(want: Case): void {
  const { request: subject = request('up'), nodes = [], progresses = [], others = [] } = want;
  const decision = decideRequest({
    ...asked(subject, want.catalog),
    fleet: fleet(nodes, [subject, ...others], progresses),
    serverVersion: want.serverVersion ?? 'v1.36.3',
    nowMs: NOW_MS,
    defaultZone: 'UTC',
  });
  const { status } = decision;
  expect(decision.plans.map(({ node: { name } }) => name)).to.deep.equal(want.plans);
  if (want.phase !== undefined) expect(status.phase).to.equal(want.phase);
  if (want.reason !== undefined) expect(status.reason, status.message).to.equal(want.reason);
  if (want.message !== undefined) expect(status.message).to.match(want.message);
  if (want.counts !== undefined) expect(status.nodes).to.include(want.counts);
  if (want.skipped !== undefined) {
    expect(status.skippedNodes?.map(({ name, reason }) => [name, reason])).to.deep.equal(want.skipped);
  }
  expect(decision.refused.map(({ progress: { metadata }, reason }) => [metadata.name, reason])).to.deep.equal(
    want.refused ?? [],
  );
  if (want.unmarked !== undefined)
    expect(decision.unmarked.map(({ name }) => name)).to.deep.equal(want.unmarked);
  if (want.conditions !== undefined) {
    const isTrue = (status.conditions ?? []).filter(condition => condition.status === 'True');
    expect(Object.fromEntries(isTrue.map(({ type, reason }) => [type, reason]))).to.deep.equal(
      want.conditions,
    );
  }
  if (want.recheckInMs !== undefined) expect((decision.recheckAtMs ?? 0) - NOW_MS).to.equal(want.recheckInMs);
  const { total = 0, ...parts } = { ...status.nodes };
  expect(Object.values(parts).reduce((sum, count) => sum + count, 0)).to.equal(total);
  if (want.turns !== undefined)
    expect(decision.turns.map(({ node, isInBatch }) => `${isInBatch ? '+' : '-'}${node.name}`)).to.deep.equal(
      want.turns,
    );
}
