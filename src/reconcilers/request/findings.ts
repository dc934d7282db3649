import type { Condition } from '../../api/meta.ts';
import { list } from '../../domain/budget.ts';
import { toTimestamp } from '../../domain/clock.ts';
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
