import { list } from '../../domain/budget.ts';
import type { Block } from '../../domain/drain.ts';
import { gateOf, type NodeVerdict } from '../../domain/verdict.ts';
import type { Refusal } from '../../domain/version-change.ts';
import { type Finding, no, yes } from './findings.ts';

/** What may be wrong with a request's work. */
export interface Concerns {
  readonly verdicts: readonly NodeVerdict[];
  /** Beside what the nodes tell. */
  readonly troubles: readonly Refusal[];
}

/** What a person should look at, the worst first. */
export function degradedOf({ verdicts, troubles }: Concerns): Finding {
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
