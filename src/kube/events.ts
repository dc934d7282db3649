import { createHash } from 'node:crypto';
import type { Logger } from 'winston';
import { type Clock, toTimestamp } from '../domain/clock.ts';
import { isTransient, messageOf, reasonOf } from '../domain/errors.ts';
import { EVENTS } from './resources.ts';
import { systemTimer, type Timer, wait } from './timer.ts';
import type { EventRecorder, EventSubject, KubeClient } from './types.ts';

/** Who writes the Events. */
export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** Shown by kubectl as the source, for example `os-controller`. */
  readonly component: string;
  /** Name of the pod or node. */
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timer?: Timer;
}

/** Repetitions within this time become one Event with a count. */
const FOLD_MS = 600_000;
const MAX_QUEUED = 200;
const MAX_REMEMBERED = 1000;
/** Events of one subject at once, and how long until it has another one free. */
const BURST = 25;
const REFILL_MS = 30_000;
const TRIES = 4;
const RETRY_MS = 1000;
const MAX_MESSAGE_CHARS = 1024;

type EventType = 'Normal' | 'Warning';

interface PendingEvent {
  readonly key: string;
  readonly about: EventSubject;
  readonly type: EventType;
  readonly reason: string;
  readonly message: string;
  firstMs: number;
  lastMs: number;
  count: number;
}

interface WrittenEvent {
  readonly name: string;
  readonly firstMs: number;
  lastMs: number;
  count: number;
}

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
    if (queue.size >= MAX_QUEUED || !limiter.take(subject)) {
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

/** A token bucket for each subject. */
function createLimiter(clock: Clock): { take(subject: string): boolean } {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return {
    take: subject => {
      const atMs = clock.monotonicMs();
      const last = buckets.get(subject);
      const refilled = last ? last.tokens + (atMs - last.atMs) / REFILL_MS : BURST;
      const tokens = Math.min(BURST, refilled);
      buckets.delete(subject);
      buckets.set(subject, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs });
      forgetOldest(buckets);
      return tokens >= 1;
    },
  };
}

function forgetOldest(map: Map<string, unknown>): void {
  const oldest = map.keys().next();
  if (map.size > MAX_REMEMBERED && !oldest.done) map.delete(oldest.value);
}

/** Writes one Event, or counts up the one that is there; false if it was given up. Never rejects. */
type Writer = (event: PendingEvent, patience: AbortSignal) => Promise<boolean>;

function createWriter(options: EventRecorderOptions): Writer {
  const { client, log, timer = systemTimer } = options;
  const written = new Map<string, WrittenEvent>();
  let serial = 0;

  const create = async (event: PendingEvent): Promise<void> => {
    serial += 1;
    const name = nameOf(event, `${options.instance}/${serial}`);
    await client.create(EVENTS, bodyOf(event, name, options));
    written.set(event.key, { name, firstMs: event.firstMs, lastMs: event.lastMs, count: event.count });
    forgetOldest(written);
  };

  const fold = async (event: PendingEvent, known: WrittenEvent): Promise<void> => {
    const count = known.count + event.count;
    const body = { count, lastTimestamp: toTimestamp(event.lastMs) };
    const ref = { name: known.name, namespace: namespaceOf(event.about) };
    await client.patch(EVENTS, ref, { type: 'merge', body });
    known.count = count;
    known.lastMs = event.lastMs;
  };

  const writeOnce = async (event: PendingEvent): Promise<void> => {
    const known = written.get(event.key);
    if (!known || event.lastMs - known.lastMs > FOLD_MS) return create(event);
    try {
      await fold(event, known);
    } catch (error) {
      // The API server forgets Events after an hour.
      if (reasonOf(error) !== 'NotFound') throw error;
      await create(event);
    }
  };

  const tryOnce = async (event: PendingEvent): Promise<unknown> => {
    try {
      await writeOnce(event);
      return undefined;
    } catch (error) {
      return error;
    }
  };

  return async (event, patience) => {
    for (let tries = 1; ; tries += 1) {
      const error = await tryOnce(event);
      if (error === undefined) return true;
      if (tries < TRIES && isTransient(error) && !patience.aborted) {
        await wait(timer, RETRY_MS * 2 ** tries, patience);
        continue;
      }
      const fields = { about: event.about.name, reason: reasonOf(error), error: messageOf(error) };
      log.warn('event not written', fields);
      return false;
    }
  };
}

/** Events about cluster-scoped objects live in `default`, where kubectl looks for them. */
const namespaceOf = (about: EventSubject): string => about.namespace ?? 'default';

const MAX_NAME_CHARS = 230;

/** Unlike any other name, also those that another process makes about the same subject. */
function nameOf({ key, about, firstMs }: PendingEvent, salt: string): string {
  const digest = createHash('sha256').update(`${key}\n${firstMs}\n${salt}`).digest('hex').slice(0, 16);
  return `${about.name.toLowerCase().slice(0, MAX_NAME_CHARS)}.${digest}`;
}

function bodyOf(event: PendingEvent, name: string, { component, instance }: EventRecorderOptions): object {
  const { about, type, reason, message, count } = event;
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace: namespaceOf(about) },
    involvedObject: { ...about },
    type,
    reason,
    message,
    count,
    firstTimestamp: toTimestamp(event.firstMs),
    lastTimestamp: toTimestamp(event.lastMs),
    source: { component, host: instance },
    reportingComponent: component,
    reportingInstance: instance,
  };
}
