import type { Condition } from '../../api/meta.ts';
import type { Gate } from '../../api/monok8s/index.ts';
import type { NodeCounts } from '../../api/request-status.ts';
import { list } from '../../domain/budget.ts';
import { toTimestamp } from '../../domain/clock.ts';
import type { Block } from '../../domain/drain.ts';
import { currentAttempt, gateState, isAtGate } from '../../domain/progress.ts';
import type { FieldNames } from '../../domain/request.ts';
import type { NodeVerdict } from '../../domain/verdict.ts';
import type { Refusal } from '../../domain/version-change.ts';

/** One condition without its times. */
export interface Finding extends Refusal {
  readonly status: 'True' | 'False';
}

/** The conditions that every request has. */
export type Findings = Readonly<Record<'Progressing' | 'Complete' | 'Degraded' | 'Superseded', Finding>>;

/** A condition that is not so, and why. */
export const no = (reason: string, message = ''): Finding => ({ status: 'False', reason, message });
/** A condition that is so, and why. */
export const yes = (reason: string, message: string): Finding => ({ status: 'True', reason, message });

/** What an accepted request's conditions tell of. */
export interface Work {
  readonly verdicts: readonly NodeVerdict[];
  readonly troubles: readonly Refusal[];
  /** Paused, or outside the window. */
  readonly hold: Refusal | undefined;
  readonly fields: FieldNames;
}

/** What nodes wait for that does not come by itself while others have failed. */
const BEHIND_FAILED: readonly (string | undefined)[] = [
  'BudgetExhausted',
  'ControlPlaneOneByOne',
  'ControlPlaneFirst',
];

/** Whether anything goes on by itself, and what. */
export function progressingOf({ verdicts, hold, fields }: Work, counts: NodeCounts): Finding {
  if (counts.total === 0)
    return no('NoNodes', `${fields.nodeSelector} selects no node yet; nodes that join are upgraded`);
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
      const more = first?.reason === 'BudgetExhausted' ? `, or raise ${fields.maxUnavailable}` : '';
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
  const works = [`works on ${namesOf(verdicts, 'running')}`, ...waitsOf(verdicts)].join('; ');
  if (hold === undefined) return yes('NodesRunning', works);
  const isHeld = verdicts.every(entry => entry.state !== 'running' || waitsAtGate(entry));
  if (isHeld) return no(hold.reason, `${namesOf(verdicts, 'running')} staged; ${hold.message}`);
  return yes('NodesRunning', `${works}; nothing else begins: ${hold.message}`);
}

/** What drains wait for, longer than a moment. No text of it changes while the wait is the same. */
function waitsOf(verdicts: readonly NodeVerdict[]): string[] {
  const waits = verdicts.flatMap(entry => {
    const gate = gateOf(entry);
    return gate !== undefined && WAITS.includes(gate.reason)
      ? [`${entry.node.name} waits: ${gate.message}`]
      : [];
  });
  return waits.length === 0 ? [] : [list(waits)];
}

const WAITS = ['PodDisruptionBudget', 'EvictionRefused', 'PodTerminating', 'PodsUnknown'];

const waitsAtGate = ({ progress }: NodeVerdict): boolean =>
  progress !== undefined && isAtGate(progress) && gateState(progress) === 'Closed';

const namesOf = (verdicts: readonly NodeVerdict[], state: NodeVerdict['state']): string =>
  list(verdicts.filter(entry => entry.state === state).map(({ node }) => node.name));

/** What a person should look at, the worst first. */
export function degradedOf({ verdicts, troubles }: Pick<Work, 'verdicts' | 'troubles'>): Finding {
  const failed = verdicts.filter(({ state }) => state === 'failed');
  const missing = verdicts.filter(({ reason }) => reason === 'AgentMissing');
  const drifted = verdicts.filter(({ state }) => state === 'drifted');
  const unusable = verdicts.filter(
    ({ state, node }) => state === 'skipped' && node.slotsProblem !== undefined,
  );
  const findings: Refusal[] = [
    ...toFinding('NodesFailed', failed, ({ reason, message }) => ` (${reason}: ${message})`),
    ...troubles,
    ...BLOCKS.flatMap(reason =>
      toFinding(
        reason,
        verdicts.filter(entry => gateOf(entry)?.reason === reason),
        entry => `: ${gateOf(entry)?.message ?? ''}`,
      ),
    ),
    ...toFinding('SlotsUnusable', unusable, ({ reason, message }) => ` (${reason}: ${message})`),
    ...toFinding('AgentMissing', missing, ({ message }) => `: ${message}`),
    ...toFinding('Drifted', drifted, ({ message }) => ` ${message}`),
  ];
  const [first] = findings;
  if (first === undefined) return no('AsExpected');
  return yes(first.reason, list(findings.map(({ message }) => message)));
}

/** What keeps a drain from beginning or going on until a person acts. */
const BLOCKS = ['PodUnmanaged', 'PodLocalData'] satisfies Block[];

/** What the gate of a node that is worked on says now. */
const gateOf = ({ state, progress }: NodeVerdict): Gate | undefined => {
  const gate = progress?.spec.plan?.gate;
  const isNow = state === 'running' && progress !== undefined && gate?.attempt === currentAttempt(progress);
  return isNow ? gate : undefined;
};

/** Nodes of which the same is to be said stand together. */
function toFinding(
  reason: string,
  verdicts: readonly NodeVerdict[],
  describe: (entry: NodeVerdict) => string,
): Refusal[] {
  if (verdicts.length === 0) return [];
  const alike = [...Map.groupBy(verdicts, describe)];
  const messages = alike.map(([what, nodes]) => list(nodes.map(({ node }) => node.name)) + what);
  return [{ reason, message: list(messages) }];
}

/** Whether newer requests took nodes over. */
export function supersededOf(verdicts: readonly NodeVerdict[]): Finding {
  const lost = verdicts.filter(entry => entry.lost !== undefined);
  const [first] = lost;
  if (first === undefined) return no('Owner');
  const names = list(lost.map(({ node }) => node.name));
  return yes(
    'Superseded',
    `${first.lost} (${names}): apply this request with a change to make it the newest`,
  );
}

/** A condition as the API keeps it: its time stays while its status stays. */
export function toCondition(
  next: Omit<Condition, 'lastTransitionTime' | 'observedGeneration'>,
  before: readonly Condition[],
  nowMs: number,
): Condition {
  const last = before.find(({ type }) => type === next.type);
  const isSame = last?.status === next.status && last.lastTransitionTime != null;
  return { ...next, lastTransitionTime: isSame ? (last.lastTransitionTime ?? null) : toTimestamp(nowMs) };
}
