interface OwnWrite {
  readonly from: string;
  readonly to: string;
}

/** Remembers what we wrote, to tell a cache that has not seen it yet. */
export interface OwnWrites {
  /** To be called after a write: resource versions of the object that it was based on, and that it made. */
  note(uid: string, from: string, to: string): void;
  /** Whether a cached object is still the one that we have written over. */
  isBehind(uid: string, resourceVersion: string): boolean;
}

/** Makes an empty memory. It holds one entry for each object that is waited for. */
export function createOwnWrites(): OwnWrites {
  const writes = new Map<string, OwnWrite[]>();
  return {
    note: (uid, from, to) => {
      if (from !== to) writes.set(uid, [...(writes.get(uid) ?? []), { from, to }]);
    },
    isBehind: (uid, resourceVersion) => {
      const behind = writes.get(uid)?.some(({ from }) => from === resourceVersion) ?? false;
      if (!behind) writes.delete(uid);
      return behind;
    },
  };
}
