import type { SlotName } from '../../api/monok8s/index.ts';
import { otherSlot } from '../decide/snapshot.ts';
import type { BootState } from '../ports.ts';
import type { UBootSettings } from './boot-loader-settings.ts';

/** U-Boot's variables by name. */
export type Variables = ReadonlyMap<string, string>;

/** Values to give; an empty one removes the variable. */
export type Changes = ReadonlyMap<string, string>;

type Names = Pick<UBootSettings, 'variables' | 'values'>;

/** A variable names neither slot. */
export interface ForeignValue {
  readonly variable: string;
  readonly value: string;
}

/**
 * What U-Boot will do at the next boots. While `upgrade_available` is set it counts every boot in `bootcount` before it
 * runs anything, and with more than `bootlimit` of them it runs `altbootcmd` instead of `bootcmd`. So
 *
 * | `upgrade_available` | `bootcount` | slot variable | next boot | default slot | trial slot |
 * |---|---|---|---|---|---|
 * | 0 | any | X | X | X | – |
 * | 1 | 0 | target | target, once | fallback | target |
 * | 1 | 1 … limit | target | fallback | fallback | – |
 * | 1 | above limit | target | fallback | fallback | fallback |
 * | 1 | any | fallback | fallback | fallback | fallback |
 *
 * In the last two the trial is over, but something of it is still there: the next boot does not go by the slot variable
 * alone. Naming the fallback slot as trial slot says just that, and has it settled.
 * @source U-Boot's `doc/api/bootcount.rst` and `drivers/bootcount/bootcount_env.c`
 */
export function readState(
  variables: Variables,
  { variables: names, values }: Names,
): BootState | ForeignValue {
  const slotIn = (variable: string): SlotName | ForeignValue => {
    const value = variables.get(variable) ?? '';
    return SLOT_NAMES.find(slot => values[slot] === value) ?? { variable, value };
  };
  const named = slotIn(names.slot);
  if (typeof named === 'object') return named;
  const [available, count, limit] = [names.upgradeAvailable, names.bootCount, names.bootLimit].map(name =>
    countOf(variables.get(name)),
  );
  // A limit of 0 and none at all both mean that U-Boot does not look at the count.
  if (!available || !limit) return { defaultSlot: named };
  const fallback = variables.has(names.fallback) ? slotIn(names.fallback) : otherSlot(named);
  if (typeof fallback === 'object') return fallback;
  if (named === fallback || (count ?? 0) > limit) return { defaultSlot: fallback, trialSlot: fallback };
  return count ? { defaultSlot: fallback } : { defaultSlot: fallback, trialSlot: named };
}

/** What arms a trial boot: written at once, it is never seen in parts. */
export const trialChanges = (
  slot: SlotName,
  fallback: SlotName,
  { variables: names, values }: Names,
): Changes =>
  new Map([
    [names.slot, values[slot]],
    [names.fallback, values[fallback]],
    [names.upgradeAvailable, '1'],
    [names.bootCount, '0'],
  ]);

/** What makes a slot the default, with nothing armed. */
export const settledChanges = (slot: SlotName, { variables: names, values }: Names): Changes =>
  new Map([
    [names.slot, values[slot]],
    [names.fallback, ''],
    [names.upgradeAvailable, '0'],
    [names.bootCount, '0'],
  ]);

/**
 * What keeps an environment from trying a slot once, in words for a person.
 * @returns nothing if it can
 */
export function lacksForTrial(variables: Variables, { variables: names }: Names): string[] {
  const lacks: string[] = [];
  for (const name of ['bootcmd', 'altbootcmd']) {
    if (!variables.has(name)) lacks.push(`${name} is not set`);
    else if (!endsInReset(variables, name))
      lacks.push(
        `${name} does not end in reset (nor in run of a variable that does), so what cannot be loaded would leave the ` +
          "board at U-Boot's prompt",
      );
  }
  const limit = variables.get(names.bootLimit);
  if (limit !== '1')
    lacks.push(
      limit === undefined
        ? `${names.bootLimit} is not set, so nothing ends a trial`
        : `${names.bootLimit} is ${JSON.stringify(limit)}, and a trial is one boot: it has to be 1`,
    );
  return lacks;
}

/** The first variable whose kernel command line finds its root by a file-system UUID that stands there as it is. */
export const rootByUuid = (variables: Variables): string | undefined =>
  [...variables].find(([, value]) => /\broot=UUID=[0-9a-f]/i.test(value))?.[0];

/** The environment after `changes`, and its size in bytes as U-Boot stores it. */
export function applyChanges(
  variables: Variables,
  changes: Changes,
): { readonly variables: Variables; readonly bytes: number } {
  const after = new Map(variables);
  for (const [name, value] of changes) {
    if (value === '') after.delete(name);
    else after.set(name, value);
  }
  const bytes = [...after].reduce((sum, [name, value]) => sum + Buffer.byteLength(`${name}=${value}\0`), 1);
  return { variables: after, bytes };
}

const SLOT_NAMES: readonly SlotName[] = ['A', 'B'];

/** A number as U-Boot reads it: what is none counts as 0. */
const countOf = (value: string | undefined): number => Number(/^\d+/.exec(value ?? '')?.[0] ?? 0);

const MAX_DEPTH = 10;

function endsInReset(variables: Variables, name: string, depth = 0): boolean {
  const commands = (variables.get(name) ?? '').split(/[;\n]|&&|\|\|/).map(command => command.trim());
  const last = commands.findLast(command => command !== '') ?? '';
  if (/^reset(\s|$)/.test(last)) return true;
  const [command, ...names] = last.split(/\s+/);
  const next = names.at(-1);
  return (
    command === 'run' && next !== undefined && depth < MAX_DEPTH && endsInReset(variables, next, depth + 1)
  );
}
