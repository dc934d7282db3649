import { type Backoff, backoffMs } from '../../domain/backoff.ts';
import type { PodFacts } from '../../domain/pod.ts';
import { createInformer } from '../../kube/informer.ts';
import type { ListWatchClient } from '../../kube/list-watch.ts';
import { PODS } from '../../kube/resources.ts';
import type { EvictionAnswer, Informer } from '../../kube/types.ts';
import type { ControllerContext } from '../context.ts';
import type { AskedEviction, DrainView } from './decision.ts';

const RETRY: Backoff = { baseMs: 1000, maxMs: 10_000 };
const EMPTY: DrainView = { asked: new Map() };

interface Session {
  readonly pods: Informer<PodFacts>;
  readonly stop: AbortController;
  readonly sinceMs: number;
  readonly asked: Map<string, AskedEviction & { readonly failures: number }>;
}

/** Watches the pods of nodes that are drained or are to be, of these alone, and remembers which evictions were asked for. */
export interface DrainSessions {
  view(node: string): DrainView;
  /** Starts watching the pods of a node; `lookAgain` is called on every change. */
  open(node: string): void;
  close(node: string): void;
  /** Takes the answer to an eviction in. */
  remember(node: string, pod: PodFacts, answer: EvictionAnswer): void;
}

/** Makes the sessions; none is open. */
export function createDrainSessions(
  context: ControllerContext & { readonly client: ListWatchClient },
  lookAgain: (node: string) => void,
): DrainSessions {
  const { client, clock, random, log, signal } = context;
  const sessions = new Map<string, Session>();

  const start = (node: string): Session => {
    const stop = new AbortController();
    const pods = createInformer({
      client,
      resource: PODS,
      selection: { fieldSelector: `spec.nodeName=${node}` },
      log,
      clock,
      random,
      onChange: () => lookAgain(node),
    });
    void pods.start(AbortSignal.any([signal, stop.signal])).then(
      () => lookAgain(node),
      () => undefined,
    );
    return { pods, stop, sinceMs: clock.nowMs(), asked: new Map() };
  };

  return {
    view: node => {
      const session = sessions.get(node);
      if (session === undefined) return EMPTY;
      const { pods, sinceMs: watchedSinceMs, asked } = session;
      return { watchedSinceMs, asked, ...(pods.hasSynced ? { pods: pods.list() } : {}) };
    },
    open: node => {
      if (!sessions.has(node)) sessions.set(node, start(node));
    },
    close: node => {
      sessions.get(node)?.stop.abort();
      sessions.delete(node);
    },
    remember: (node, pod, answer) => {
      const asked = sessions.get(node)?.asked;
      if (asked === undefined) return;
      const nowMs = clock.nowMs();
      if (answer.outcome !== 'refused') {
        // The cache shows the pod as it was for a moment.
        asked.set(pod.uid, { retryAtMs: nowMs + RETRY.maxMs, failures: 0 });
        return;
      }
      const before = asked.get(pod.uid);
      const failures = (before?.failures ?? 0) + 1;
      const { budget, message } = answer;
      asked.set(pod.uid, {
        retryAtMs: nowMs + backoffMs(RETRY, failures - 1, random()),
        refusal: {
          sinceMs: before?.refusal?.sinceMs ?? nowMs,
          message,
          ...(budget === undefined ? {} : { budget }),
        },
        failures,
      });
    },
  };
}
