import type { Logger } from 'winston';
import { type Backoff, backoffMs } from '../domain/backoff.ts';
import type { Clock } from '../domain/clock.ts';
import { TransientError } from '../domain/errors.ts';
import { isExpired, parseStatus, toError } from './api-errors.ts';
import { createInformerCache, type RawObject } from './informer-cache.ts';
import { createHealthLog } from './informer-health.ts';
import type { ListWatchClient } from './list-watch.ts';
import { systemTimer, type Timer, wait } from './timer.ts';
import type { Informer, InformerChange, Resource, Selection } from './types.ts';

/** What an informer follows, and what it calls. */
export interface InformerOptions<T> {
  readonly client: ListWatchClient;
  readonly resource: Resource<T>;
  readonly selection?: Selection;
  readonly log: Logger;
  readonly clock: Clock;
  /** 0 ≤ x < 1 */
  random(): number;
  /**
   * Called after the cache has taken a change in. A change of nothing but the resource version is not told.
   * A relist tells what happened meanwhile, deletions included.
   */
  readonly onChange?: (change: InformerChange<T>) => void;
  readonly backoff?: Backoff;
  readonly timer?: Timer;
}

const BACKOFF: Backoff = { baseMs: 500, maxMs: 30_000 };
const LIST_TIMEOUT_MS = 60_000;
const WATCH_SECONDS = { min: 300, spread: 300 };
/** A watch that ends sooner than this, with nothing to tell, is a failure: trying at once would be a busy loop. */
const SHORT_WATCH_MS = 500;

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: RawObject;
}

/** Makes a cache of a kind's objects that follows the API server and outlives its restarts. `start` starts it. */
export function createInformer<T>(options: InformerOptions<T>): Informer<T> {
  const { client, resource, selection = {}, log, clock, random, timer = systemTimer } = options;
  const cache = createInformerCache<T>({ resource, log, onChange: options.onChange });
  const health = createHealthLog(log, clock, resource.plural);
  let hasSynced = false;
  let started: Promise<void> | undefined;

  const relist = async (signal: AbortSignal): Promise<string> => {
    const bounds = { signal, timeoutMs: LIST_TIMEOUT_MS };
    const listed = await client.listMapped(resource, selection, raw => cache.read(raw as RawObject), bounds);
    cache.replace(listed.items);
    hasSynced = true;
    return listed.resourceVersion;
  };

  /** Follows one watch to its end. Tells each new version, so that the next one goes on from there. */
  const follow = async (from: string, signal: AbortSignal, onVersion: (version: string) => void) => {
    const timeoutSeconds = WATCH_SECONDS.min + Math.floor(random() * WATCH_SECONDS.spread);
    let isProven = false;
    const prove = () => {
      isProven = true;
      health.good();
    };
    let cancel = () => {};
    const onOpen = () => {
      cancel = timer.after(SHORT_WATCH_MS, prove);
    };
    try {
      const watch = { resourceVersion: from, timeoutSeconds, signal, onOpen };
      for await (const raw of client.watch(resource, selection, watch)) {
        onVersion(take(raw as WatchEvent));
        prove();
      }
    } finally {
      cancel();
    }
    if (!isProven)
      throw new TransientError('WatchTooShort', `watch ${resource.plural}: ended at once by the API server`);
  };

  /** Takes one event in; returns the version up to which we have seen everything. */
  const take = ({ type, object }: WatchEvent): string => {
    if (type === 'ERROR') throw toError(`watch ${resource.plural}`, parseStatus(500, object));
    if (type !== 'BOOKMARK') cache.apply(object, type === 'DELETED');
    return object.metadata.resourceVersion;
  };

  const run = async (signal: AbortSignal, onSynced: () => void): Promise<void> => {
    let version: string | undefined;
    while (!signal.aborted) {
      try {
        if (version === undefined) {
          version = await relist(signal);
          onSynced();
        }
        await follow(version, signal, next => {
          version = next;
        });
      } catch (error) {
        if (signal.aborted) return;
        if (isExpired(error)) version = undefined;
        const failures = health.bad(error);
        await wait(timer, backoffMs(options.backoff ?? BACKOFF, failures - 1, random()), signal);
      }
    }
  };

  return {
    start: signal => {
      started ??= new Promise((resolve, reject) => {
        void run(signal, resolve).then(() =>
          reject(
            new TransientError(
              'Aborted',
              `the informer of ${resource.plural} was ended before its first list`,
            ),
          ),
        );
      });
      return started;
    },
    get hasSynced() {
      return hasSynced;
    },
    get: cache.get,
    list: cache.list,
  };
}
