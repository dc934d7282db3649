import type { Condition } from '../../api/meta.ts';
import type { NodeCounts, OSUpgrade, OSUpgradeStatus, SkippedNode } from '../../api/monok8s/index.ts';
import { list } from '../../domain/budget.ts';
import { toTimestamp } from '../../domain/clock.ts';
import { MAX_SKIPPED } from '../../domain/ownership.ts';
import { gateState, isAtGate } from '../../domain/progress.ts';
import type { NodeVerdict } from '../../domain/rollout.ts';
import type { Refusal } from '../../domain/version-change.ts';

/** What every status of a request is made from. */
export interface StatusInput {
  readonly request: OSUpgrade;
  /** The status of this rollout so far. */
  readonly base: OSUpgradeStatus;
  readonly nowMs: number;
}

interface Finding extends Refusal {
  readonly status: 'True' | 'False';
}

type Findings = Readonly<Record<'Progressing' | 'Complete' | 'Degraded' | 'Superseded', Finding>>;

const no = (reason: string, message = ''): Finding => ({ status: 'False', reason, message });
const yes = (reason: string, message: string): Finding => ({ status: 'True', reason, message });

/** It cannot be done until a person changes it. */
export const rejectedStatus = (
  input: StatusInput,
  why: Refusal,
  verdicts: readonly NodeVerdict[] = [],
): OSUpgradeStatus =>
  assemble(input, { phase: 'Rejected', ...why }, verdicts, {
    Progressing: no(why.reason, why.message),
    Complete: no(why.reason),
    Degraded: yes(why.reason, why.message),
    Superseded: supersededOf(verdicts),
  });

/** It begins by itself as soon as something else has happened. */
export const pendingStatus = (
  input: StatusInput,
  why: Refusal,
  verdicts: readonly NodeVerdict[] = [],
): OSUpgradeStatus =>
  assemble(input, { phase: 'Pending', ...why }, verdicts, {
    Progressing: yes(why.reason, why.message),
    Complete: no(why.reason),
    Degraded: no('AsExpected'),
    Superseded: supersededOf(verdicts),
  });

/** What an accepted request's status is made from. */
export interface AcceptedInput extends StatusInput {
  readonly verdicts: readonly NodeVerdict[];
  readonly troubles: readonly Refusal[];
  /** Paused, or outside the window. */
  readonly hold: Refusal | undefined;
}

/** Its nodes are worked on, or done. */
export function acceptedStatus(input: AcceptedInput): OSUpgradeStatus {
  const counts = countsOf(input.verdicts);
  const progressing = progressingOf(input, counts);
  const done = `${counts.updated} of ${counts.total} nodes run ${input.base.resolvedVersion ?? ''}`;
  const message = progressing.message === '' ? done : `${done}; ${progressing.message}`;
  const isComplete = progressing.reason === 'Complete';
  return assemble(input, { phase: 'Accepted', reason: progressing.reason, message }, input.verdicts, {
    Progressing: progressing,
    Complete: isComplete ? yes('Complete', done) : no(progressing.reason),
    Degraded: degradedOf(input),
    Superseded: supersededOf(input.verdicts),
  });
}

/** What nodes wait for that does not come by itself while others have failed. */
const BEHIND_FAILED: readonly (string | undefined)[] = [
  'BudgetExhausted',
  'ControlPlaneOneByOne',
  'ControlPlaneFirst',
];

function progressingOf({ verdicts, hold }: AcceptedInput, counts: NodeCounts): Finding {
  if (counts.total === 0)
    return no('NoNodes', 'spec.nodeSelector selects no node yet; nodes that join are upgraded');
  const superseded = verdicts.filter(({ reason }) => reason === 'Superseded').length;
  if (superseded === counts.total)
    return no(
      'Superseded',
      'newer requests took all of its nodes over: apply this one with a change to act again',
    );
  if (counts.running > 0) return runningOf(verdicts, hold);
  if (counts.waiting > 0) {
    const [first] = verdicts.filter(({ state }) => state === 'waiting');
    if (hold !== undefined) return no(hold.reason, hold.message);
    if (counts.failed > 0 && BEHIND_FAILED.includes(first?.reason)) {
      const more = first?.reason === 'BudgetExhausted' ? ', or raise spec.maxUnavailable' : '';
      return no('NodesFailed', `${first?.message}: retry or repair the failed nodes${more}`);
    }
    return yes(first?.reason ?? '', `waits: ${first?.message ?? ''}`);
  }
  if (counts.failed > 0) return no('NodesFailed', `retry or repair ${namesOf(verdicts, 'failed')}`);
  if (counts.updated + counts.drifted === 0)
    return no('NothingToDo', 'every selected node is skipped: see skippedNodes');
  return no('Complete', exceptionsOf(verdicts));
}

/** Why fewer nodes than all run the version though nothing is left to do. */
const exceptionsOf = (verdicts: readonly NodeVerdict[]): string =>
  (['drifted', 'skipped'] as const)
    .map(state => [state, namesOf(verdicts, state)] as const)
    .flatMap(([state, names]) => (names === '' ? [] : [`${state}: ${names}`]))
    .join('; ');

function runningOf(verdicts: readonly NodeVerdict[], hold: Refusal | undefined): Finding {
  const works = `works on ${namesOf(verdicts, 'running')}`;
  if (hold === undefined) return yes('NodesRunning', works);
  const isHeld = verdicts.every(entry => entry.state !== 'running' || waitsAtGate(entry));
  if (isHeld) return no(hold.reason, `${namesOf(verdicts, 'running')} staged; ${hold.message}`);
  return yes('NodesRunning', `${works}; nothing else begins: ${hold.message}`);
}

const waitsAtGate = ({ progress }: NodeVerdict): boolean =>
  progress !== undefined && isAtGate(progress) && gateState(progress) === 'Closed';

const namesOf = (verdicts: readonly NodeVerdict[], state: NodeVerdict['state']): string =>
  list(verdicts.filter(entry => entry.state === state).map(({ node }) => node.name));

function degradedOf({ verdicts, troubles }: AcceptedInput): Finding {
  const failed = verdicts.filter(({ state }) => state === 'failed');
  const missing = verdicts.filter(({ reason }) => reason === 'AgentMissing');
  const drifted = verdicts.filter(({ state }) => state === 'drifted');
  const findings: Refusal[] = [
    ...toFinding(
      'NodesFailed',
      failed,
      ({ node, reason, message }) => `${node.name} (${reason}: ${message})`,
    ),
    ...troubles,
    ...toFinding('AgentMissing', missing, ({ node, message }) => `${node.name}: ${message}`),
    ...toFinding('Drifted', drifted, ({ node, message }) => `${node.name} ${message}`),
  ];
  const [first] = findings;
  if (first === undefined) return no('AsExpected');
  return yes(first.reason, list(findings.map(({ message }) => message)));
}

const toFinding = (
  reason: string,
  verdicts: readonly NodeVerdict[],
  describe: (entry: NodeVerdict) => string,
): Refusal[] => (verdicts.length === 0 ? [] : [{ reason, message: list(verdicts.map(describe)) }]);

function supersededOf(verdicts: readonly NodeVerdict[]): Finding {
  const lost = verdicts.filter(entry => entry.lost !== undefined);
  const [first] = lost;
  if (first === undefined) return no('Owner');
  const names = list(lost.map(({ node }) => node.name));
  return yes(
    'Superseded',
    `${first.lost} (${names}): apply this request with a change to make it the newest`,
  );
}

const countsOf = (verdicts: readonly NodeVerdict[]): NodeCounts => {
  const of = (state: NodeVerdict['state']): number => verdicts.filter(entry => entry.state === state).length;
  return {
    total: verdicts.length,
    updated: of('updated'),
    running: of('running'),
    waiting: of('waiting'),
    failed: of('failed'),
    skipped: of('skipped'),
    drifted: of('drifted'),
  };
};

type Outcome = Refusal & { readonly phase: 'Pending' | 'Accepted' | 'Rejected' };

function assemble(
  { request, base, nowMs }: StatusInput,
  outcome: Outcome,
  verdicts: readonly NodeVerdict[],
  findings: Findings,
): OSUpgradeStatus {
  const { rollout, rolloutKey, rolloutStartedAt, image, resolvedVersion } = base;
  const skipped = skippedOf(verdicts);
  const keep = { rollout, rolloutKey, rolloutStartedAt, image, resolvedVersion };
  const generation = request.metadata.generation;
  return {
    ...withoutAbsent(keep),
    ...outcome,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    nodes: countsOf(verdicts),
    ...(skipped.length === 0 ? {} : { skippedNodes: skipped }),
    conditions: Object.entries(findings).map(([type, finding]) =>
      toCondition({ type, ...finding }, base.conditions ?? [], nowMs),
    ),
  };
}

type Kept = Pick<
  OSUpgradeStatus,
  'rollout' | 'rolloutKey' | 'rolloutStartedAt' | 'image' | 'resolvedVersion'
>;

const withoutAbsent = (fields: { [Name in keyof Kept]-?: Kept[Name] | undefined }): Kept =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/** Superseded nodes come first: the list is also the memory of which nodes were lost, whatever still runs there. */
const skippedOf = (verdicts: readonly NodeVerdict[]): SkippedNode[] =>
  [
    ...verdicts.flatMap(({ node, lost }) =>
      lost === undefined ? [] : [{ name: node.name, reason: 'Superseded', message: lost }],
    ),
    ...verdicts
      .filter(({ state, lost }) => state === 'skipped' && lost === undefined)
      .map(({ node, reason, message }) => ({ name: node.name, reason, message })),
  ].slice(0, MAX_SKIPPED);

function toCondition(
  next: Omit<Condition, 'lastTransitionTime' | 'observedGeneration'>,
  before: readonly Condition[],
  nowMs: number,
): Condition {
  const last = before.find(({ type }) => type === next.type);
  const isSame = last?.status === next.status && last.lastTransitionTime != null;
  return { ...next, lastTransitionTime: isSame ? (last.lastTransitionTime ?? null) : toTimestamp(nowMs) };
}
