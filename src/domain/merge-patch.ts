import { isDeepStrictEqual } from 'node:util';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The JSON merge patch (RFC 7386) that turns one object into another; `undefined` if they are equal. `undefined`
 * fields count as absent, arrays are replaced as a whole.
 */
export function mergePatchOf(before: Fields, after: Fields): Fields | undefined {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const changes = [...names].flatMap(name => {
    const change = changeOf(before[name], after[name]);
    return change === undefined ? [] : [[name, change]];
  });
  return changes.length === 0 ? undefined : Object.fromEntries(changes);
}

function changeOf(before: unknown, after: unknown): unknown {
  if (after === undefined) return before === undefined ? undefined : null;
  if (isFields(before) && isFields(after)) return mergePatchOf(before, after);
  return isDeepStrictEqual(before, after) ? undefined : after;
}
