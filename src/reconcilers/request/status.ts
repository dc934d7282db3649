import type { NodeCounts, SkippedNode } from '../../api/request-status.ts';
import type { AnyStatus, Request, Target } from '../../domain/request.ts';
import type { NodeVerdict } from '../../domain/verdict.ts';
import type { Refusal } from '../../domain/version-change.ts';
import { type Concerns, degradedOf } from './degraded.ts';
import { type Findings, no, supersededOf, toCondition, yes } from './findings.ts';
import { progressingOf, type Work } from './progressing.ts';

/** What every status of a request is made from. */
export interface StatusInput {
  readonly request: Request;
  /** The status of this rollout so far. */
  readonly base: AnyStatus;
  readonly nowMs: number;
}

/** It cannot be done until a person changes it. */
export const rejectedStatus = (
  input: StatusInput,
  why: Refusal,
  verdicts: readonly NodeVerdict[] = [],
): AnyStatus =>
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
): AnyStatus =>
  assemble(input, { phase: 'Pending', ...why }, verdicts, {
    Progressing: yes(why.reason, why.message),
    Complete: no(why.reason),
    Degraded: no('AsExpected'),
    Superseded: supersededOf(verdicts),
  });

/** What an accepted request's status is made from. */
export interface AcceptedInput extends StatusInput, Omit<Work, 'fields'>, Concerns {
  readonly target: Target;
}

/** Its nodes are worked on, or done. */
export function acceptedStatus(input: AcceptedInput): AnyStatus {
  const counts = countsOf(input.verdicts);
  const progressing = progressingOf({ ...input, fields: input.request.fields }, counts);
  const done = `${counts.updated} of ${counts.total} nodes run ${input.target.version}`;
  const message = progressing.message === '' ? done : `${done}; ${progressing.message}`;
  const isComplete = progressing.reason === 'Complete';
  return assemble(input, { phase: 'Accepted', reason: progressing.reason, message }, input.verdicts, {
    Progressing: progressing,
    Complete: isComplete ? yes('Complete', done) : no(progressing.reason),
    Degraded: degradedOf(input),
    Superseded: supersededOf(input.verdicts),
  });
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
): AnyStatus {
  const { rollout, rolloutKey, rolloutStartedAt, image, resolvedVersion, supersededBy = [] } = base;
  const skipped = skippedOf(verdicts);
  const keep = { rollout, rolloutKey, rolloutStartedAt, image, resolvedVersion };
  const generation = request.metadata.generation;
  return {
    ...withoutAbsent(keep),
    ...outcome,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    nodes: countsOf(verdicts),
    ...(skipped.length === 0 ? {} : { skippedNodes: skipped }),
    ...(supersededBy.length === 0 ? {} : { supersededBy }),
    conditions: Object.entries(findings).map(([type, finding]) =>
      toCondition({ type, ...finding }, base.conditions ?? [], nowMs),
    ),
  };
}

type Kept = Pick<AnyStatus, 'rollout' | 'rolloutKey' | 'rolloutStartedAt' | 'image' | 'resolvedVersion'>;

const withoutAbsent = (fields: { [Name in keyof Kept]-?: Kept[Name] | undefined }): Kept =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/** Longest list of skipped nodes in a status. */
const MAX_SKIPPED = 100;

/** A node that was lost is listed also while a plan of ours still runs there. */
const skippedOf = (verdicts: readonly NodeVerdict[]): SkippedNode[] =>
  verdicts
    .flatMap(({ node: { name }, state, reason, message, lost }) => {
      if (lost !== undefined) return [{ name, reason: 'Superseded', message: lost }];
      return state === 'skipped' ? [{ name, reason, message }] : [];
    })
    .slice(0, MAX_SKIPPED);
