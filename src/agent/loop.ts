import { type Backoff, backoffMs } from '../domain/backoff.ts';
import { isTransient, messageOf, reasonOf } from '../domain/errors.ts';
import { act } from './act/act.ts';
import { tellTrouble } from './act/report.ts';
import { decideStep } from './decide/phases.ts';
import type { Snapshot } from './decide/snapshot.ts';
import type { AgentDeps } from './deps.ts';
import { gather } from './gather.ts';
import { reportInstance } from './osinstance.ts';
import { reportQueued } from './queued.ts';
import type { Wakeup } from './wakeup.ts';

const BACKOFF: Backoff = { baseMs: 1_000, maxMs: 30_000 };
/** So many steps at once without a pause are a mistake of ours. */
const MAX_STEPS_AT_ONCE = 50;

/** One pass: look, decide, do. Resolves to the milliseconds after which to look again. */
export async function runPass(deps: AgentDeps): Promise<number | undefined> {
  const seen = await gather(deps);
  const step = decideStep(seen);
  if (step.type !== 'idle' && step.type !== 'wait') deps.log.debug('next step', { step: step.type });
  const delayMs = await act(deps, step, seen);
  if (delayMs !== 0) await reportAround(deps, seen);
  return delayMs;
}

/** What is told beside the work. It must not hold that up. */
async function reportAround(deps: AgentDeps, seen: Snapshot): Promise<void> {
  try {
    await reportQueued(deps, seen);
    await reportNode(deps, seen);
  } catch (error) {
    deps.log.warn('node not reported', { reason: reasonOf(error), error: messageOf(error) });
    throw error;
  }
}

async function reportNode(deps: AgentDeps, { slots, bootId }: Snapshot): Promise<void> {
  const { caches, nodeName, agentVersion, bootLoader, memory } = deps;
  if (!caches.nodes.hasSynced || !caches.instances.hasSynced) return;
  const node = caches.nodes.get({ name: nodeName });
  const cached = caches.instances.list()[0];
  if (!node) {
    deps.log.warn('API server knows no node of this name: is --node-name right?', { nodeName });
    return;
  }
  // The cache lags behind our own write; the answer to it is newer.
  const instance = memory.instance?.before === cached ? memory.instance?.after : cached;
  const facts = { slots, bootId, agentVersion, bootLoader: bootLoader.name };
  const after = await reportInstance(deps.client, { node, instance }, facts, deps.clock.nowMs());
  memory.instance = { before: cached, after };
}

/** Works until the signal: wakes when something changes, and comes back after failures, later and later. */
export async function runLoop(
  deps: AgentDeps,
  wakeup: Wakeup,
  random: () => number,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  let atOnce = 0;
  while (!signal.aborted) {
    let delayMs: number | undefined;
    try {
      delayMs = await runPass(deps);
      failures = 0;
      atOnce = delayMs === 0 ? atOnce + 1 : 0;
      if (atOnce > MAX_STEPS_AT_ONCE) {
        deps.log.error('too many steps at once, pausing');
        delayMs = BACKOFF.maxMs;
      }
    } catch (error) {
      delayMs = backoffMs(BACKOFF, failures, random());
      failures += 1;
      const level = isTransient(error) ? 'warn' : 'error';
      deps.log.log(level, 'step failed, trying again', {
        reason: reasonOf(error),
        error: messageOf(error),
        delayMs,
      });
      // Once may be chance, such as a conflict.
      if (failures > 1) await tellTrouble(deps, `cannot go on: ${messageOf(error)}; trying again`);
    }
    if (delayMs !== 0) await wakeup.sleep(delayMs, signal);
  }
  await deps.job.abort();
  await deps.events.flush();
}
