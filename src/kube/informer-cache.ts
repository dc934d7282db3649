import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'winston';
import { messageOf, reasonOf } from '../domain/errors.ts';
import { keyOf } from './paths.ts';
import type { InformerChange, ObjectRef, Resource } from './types.ts';

/** The part of any raw object that a cache looks at. */
export interface RawObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
  };
}

/** An object as the cache keeps it. */
interface Entry<T> {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly value: T;
}

/** An object of a list, read but not yet in the cache. `next` is absent if it cannot be parsed. */
export interface ReadObject<T> {
  readonly key: string;
  readonly next?: Entry<T> | undefined;
  readonly isSameAsCached: boolean;
}

/** The objects of one informer. */
export interface InformerCache<T> {
  /** Reads an object against what the cache holds; changes nothing. */
  read(raw: RawObject): ReadObject<T>;
  /** Takes a whole list in: tells additions, updates, and deletions of what is not in it. */
  replace(listed: readonly ReadObject<T>[]): void;
  /** Takes one event in. */
  apply(raw: RawObject, isDeleted: boolean): void;
  readonly get: (ref: ObjectRef) => T | undefined;
  readonly list: () => readonly T[];
}

/** What the cache is made of. */
export interface InformerCacheOptions<T> {
  readonly resource: Resource<T>;
  readonly log: Logger;
  readonly onChange: ((change: InformerChange<T>) => void) | undefined;
}

/** Makes an empty cache. */
export function createInformerCache<T>({
  resource,
  log,
  onChange,
}: InformerCacheOptions<T>): InformerCache<T> {
  const entries = new Map<string, Entry<T>>();
  const invalidUids = new Set<string>();
  let listed: readonly T[] | undefined;

  const parse = (raw: RawObject): T | undefined => {
    const { uid, name } = raw.metadata;
    try {
      const value = resource.parse(raw);
      invalidUids.delete(uid);
      return value;
    } catch (error) {
      if (!invalidUids.has(uid))
        log.warn('object left out: it is not what its schema promises', {
          kind: resource.kind,
          name,
          reason: reasonOf(error),
          error: messageOf(error),
        });
      invalidUids.add(uid);
      return undefined;
    }
  };

  /** Parsed under the cached version, an object that changed in nothing we keep equals the cached one. */
  const isSame = (raw: RawObject, cached: Entry<T> | undefined): boolean => {
    if (cached?.uid !== raw.metadata.uid) return false;
    const metadata = { ...raw.metadata, resourceVersion: cached.resourceVersion };
    return isDeepStrictEqual(resource.parse({ ...raw, metadata }), cached.value);
  };

  const read = (raw: RawObject): ReadObject<T> => {
    const key = keyOf(raw.metadata);
    const value = parse(raw);
    if (value === undefined) return { key, isSameAsCached: false };
    const { uid, resourceVersion } = raw.metadata;
    return { key, next: { uid, resourceVersion, value }, isSameAsCached: isSame(raw, entries.get(key)) };
  };

  const tell = (change: InformerChange<T>): void => {
    try {
      onChange?.(change);
    } catch (error) {
      log.error('change of the cache was not handled', { kind: resource.kind, error: messageOf(error) });
    }
  };

  const remove = (key: string): void => {
    const before = entries.get(key);
    if (!before) return;
    entries.delete(key);
    listed = undefined;
    tell({ before: before.value });
  };

  const store = ({ key, next, isSameAsCached }: ReadObject<T>): void => {
    if (!next) {
      remove(key);
      return;
    }
    const before = entries.get(key);
    // A successor of the same name: its predecessor's end was missed, and is told first.
    if (before && before.uid !== next.uid) remove(key);
    entries.set(key, next);
    listed = undefined;
    if (isSameAsCached) return;
    tell(before?.uid === next.uid ? { before: before.value, after: next.value } : { after: next.value });
  };

  return {
    read,
    replace: objects => {
      const keys = new Set(objects.map(object => object.key));
      for (const key of [...entries.keys()]) if (!keys.has(key)) remove(key);
      for (const object of objects) store(object);
    },
    apply: (raw, isDeleted) => {
      if (isDeleted) {
        invalidUids.delete(raw.metadata.uid);
        remove(keyOf(raw.metadata));
      } else store(read(raw));
    },
    get: ref => entries.get(keyOf(ref))?.value,
    list: () => {
      listed ??= [...entries.values()].map(entry => entry.value);
      return listed;
    },
  };
}
