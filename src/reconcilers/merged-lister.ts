import type { Lister } from './fleet.ts';

/** Several caches of one kind as one. The list stays the same array while nothing changes. */
export function mergeListers<T>(parts: readonly Lister<T>[]): Lister<T> {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  let seen: readonly unknown[] = [];
  let merged: readonly T[] = [];
  return {
    get: ref => parts.map(part => part.get(ref)).find(found => found !== undefined),
    list: () => {
      const lists = parts.map(part => part.list());
      if (lists.some((list, index) => list !== seen[index])) {
        seen = lists;
        merged = lists.flat();
      }
      return merged;
    },
  };
}
