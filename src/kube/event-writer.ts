import { createHash } from 'node:crypto';
import type { Logger } from 'winston';
import { type Clock, toTimestamp } from '../domain/clock.ts';
import { isTransient, messageOf, reasonOf } from '../domain/errors.ts';
import { EVENTS } from './resources.ts';
import { systemTimer, type Timer, wait } from './timer.ts';
import type { EventSubject, KubeClient } from './types.ts';

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
const TRIES = 4;
const RETRY_MS = 1000;
const MAX_REMEMBERED = 1000;

/** An Event that is not written yet. */
export interface PendingEvent {
  readonly key: string;
  readonly about: EventSubject;
  readonly type: 'Normal' | 'Warning';
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

/** Writes one Event, or counts up the one that is there; false if it was given up. Never rejects. */
export type Writer = (event: PendingEvent, patience: AbortSignal) => Promise<boolean>;

/** Makes a writer that remembers what it wrote. */
export function createWriter(options: EventRecorderOptions): Writer {
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

/** Keeps a map from growing for ever. */
export function forgetOldest(map: Map<string, unknown>): void {
  const oldest = map.keys().next();
  if (map.size > MAX_REMEMBERED && !oldest.done) map.delete(oldest.value);
}
