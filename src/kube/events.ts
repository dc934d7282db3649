import type { Clock } from '../domain/clock.ts';
import { createWriter, type EventRecorderOptions, forgetOldest, type PendingEvent } from './event-writer.ts';
import type { EventRecorder } from './types.ts';

const MAX_QUEUED = 200;
/** Events of one type about one subject at once, and how long until it has another one free. */
const BURST = 25;
const REFILL_MS = 30_000;
const MAX_MESSAGE_CHARS = 1024;

/** Makes a recorder that writes core Events, which every version of kubectl shows with their count and age. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { clock, log } = options;
  const queue = new Map<string, PendingEvent>();
  const limiter = createLimiter(clock);
  const write = createWriter(options);
  let draining: Promise<void> | undefined;
  /** Aborted while someone waits in `flush`: a process that ends does not wait for retries. */
  let patience = new AbortController();

  const drain = async (): Promise<void> => {
    for (const [key, event] of queue) {
      queue.delete(key);
      const isWritten = await write(event, patience.signal);
      if (!isWritten && patience.signal.aborted) queue.clear();
    }
    draining = undefined;
  };

  const record: EventRecorder['record'] = (about, type, reason, text) => {
    const message = text.slice(0, MAX_MESSAGE_CHARS);
    const subject = [about.apiVersion, about.kind, about.namespace, about.name, about.uid].join('/');
    const key = [subject, type, reason, message].join('\n');
    const nowMs = clock.nowMs();
    const queued = queue.get(key);
    if (queued) {
      queued.count += 1;
      queued.lastMs = nowMs;
      return;
    }
    if (queue.size >= MAX_QUEUED || !limiter.take(`${type} ${subject}`)) {
      log.debug('event dropped: too many', { kind: about.kind, name: about.name, reason });
      return;
    }
    queue.set(key, { key, about, type, reason, message, firstMs: nowMs, lastMs: nowMs, count: 1 });
    draining ??= drain();
  };

  return {
    record,
    flush: async () => {
      patience.abort();
      while (draining) await draining;
      patience = new AbortController();
    },
  };
}

/** A token bucket for each key. */
function createLimiter(clock: Clock): { take(key: string): boolean } {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return {
    take: key => {
      const atMs = clock.monotonicMs();
      const last = buckets.get(key);
      const refilled = last ? last.tokens + (atMs - last.atMs) / REFILL_MS : BURST;
      const tokens = Math.min(BURST, refilled);
      buckets.delete(key);
      buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs });
      forgetOldest(buckets);
      return tokens >= 1;
    },
  };
}
