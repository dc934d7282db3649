import type { NodeCounts } from '../../api/request-status.ts';
import { list } from '../../domain/budget.ts';
import { gateState, isAtGate } from '../../domain/progress.ts';
import type { FieldNames } from '../../domain/request.ts';
import { gateOf, type NodeVerdict } from '../../domain/verdict.ts';
import type { Refusal } from '../../domain/version-change.ts';
import { type Finding, no, yes } from './findings.ts';

/** What tells whether a request's work goes on. */
export interface Work {
  readonly verdicts: readonly NodeVerdict[];
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
