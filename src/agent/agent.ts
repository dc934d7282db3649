import type { Logger } from 'winston';
import { OSINSTANCE_NAMESPACE } from '../api/openeuler/index.ts';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { FullKubeClient } from '../kube/client.ts';
import { createInformer } from '../kube/informer.ts';
import { NODES, OSINSTANCES, OSUPGRADE_PROGRESSES } from '../kube/resources.ts';
import type { EventRecorder, Resource, Selection } from '../kube/types.ts';
import { createShowPaths, showingEvents, showingStatus } from './act/shown-paths.ts';
import { createStageJob } from './act/stage-job.ts';
import { createStatusWriter } from './act/status-writer.ts';
import { createBootLoader } from './boot/create-boot-loader.ts';
import { createCatalogReader } from './catalog-source.ts';
import type { AgentConfig } from './config.ts';
import type { AgentDeps, Caches } from './deps.ts';
import { createTrialGuard } from './guard/trial-guard.ts';
import { createHost } from './host/host.ts';
import { hostPath } from './host/host-path.ts';
import { createStager } from './install/stager.ts';
import { runLoop } from './loop.ts';
import { becomeTheOnlyOne } from './only-one.ts';
import { createResolver } from './resolve.ts';
import { createSlots } from './slots/slots.ts';
import { openState } from './state.ts';
import { createUptime } from './uptime.ts';
import { createWakeup, type Wakeup } from './wakeup.ts';

/** What one agent is made of. */
export interface AgentOptions {
  readonly nodeName: string;
  readonly agentVersion: string;
  readonly config: AgentConfig;
  readonly client: FullKubeClient;
  readonly events: EventRecorder;
  readonly clock: Clock;
  /** 0 ≤ x < 1 */
  random(): number;
  readonly log: Logger;
}

/** Serves one node until the signal. What is under way is left so that the next start goes on from there. */
export async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const { config, log } = options;
  const stateDir = hostPath(config.hostRoot, config.stateDir);
  const release = await becomeTheOnlyOne({ stateDir, log }, signal);
  if (!release) return;
  const wakeup = createWakeup();
  const caches = startCaches(options, wakeup, signal);
  const deps = createDeps(options, caches, wakeup, signal);
  void logIdentity(options, signal);
  await runLoop(deps, wakeup, options.random, signal).finally(release);
}

function createDeps(options: AgentOptions, caches: Caches, wakeup: Wakeup, signal: AbortSignal): AgentDeps {
  const { config, client, clock, log, nodeName, agentVersion, events, random } = options;
  const { versionField, trialSeconds, stallSeconds, hostRoot } = config;
  const showPaths = createShowPaths(hostRoot);
  const slots = createSlots(config, log);
  const bootLoader = createBootLoader(config, log);
  const state = openState(hostPath(hostRoot, config.stateDir), log);
  const stager = createStager({ slots, config, log, clock, random });
  const resolver = createResolver({
    client,
    clock,
    pin: state.pin,
    readCatalog: createCatalogReader(client, signal),
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  });
  return {
    ...{ nodeName, agentVersion, client, caches, slots, state, resolver, clock, log, signal },
    showPaths,
    events: showingEvents(events, showPaths),
    settings: {
      versionField,
      ...(trialSeconds !== undefined && { trialSeconds }),
      ...(stallSeconds !== undefined && { stallSeconds }),
    },
    bootLoader,
    host: createHost(config, log),
    guard: createTrialGuard({ hostRoot, stateDir: config.stateDir, bootLoader, slots, log }),
    status: showingStatus(createStatusWriter(client, clock), showPaths),
    job: createStageJob({ stager, clock, random, onChange: wakeup.wake }),
    uptimeMs: createUptime(hostRoot, clock),
    memory: {},
  };
}

/** Follows what concerns this node. The loop does not wait for it: a trial goes on without an API server. */
function startCaches(options: AgentOptions, { wake }: Wakeup, signal: AbortSignal): Caches {
  const { client, clock, log, nodeName, random } = options;
  const follow = <T>(resource: Resource<T>, selection: Selection) => {
    const informer = createInformer({ client, resource, selection, clock, log, random, onChange: wake });
    // Rejects only when the agent ends before the first list.
    informer.start(signal).then(wake, () => undefined);
    return informer;
  };
  const named = `metadata.name=${nodeName}`;
  return {
    progresses: follow(OSUPGRADE_PROGRESSES, { fieldSelector: `spec.nodeName=${nodeName}` }),
    nodes: follow(NODES, { fieldSelector: named }),
    instances: follow(OSINSTANCES, { namespace: OSINSTANCE_NAMESPACE, fieldSelector: named }),
  };
}

async function logIdentity({ client, log, nodeName }: AgentOptions, signal: AbortSignal): Promise<void> {
  try {
    const { username, extra } = await client.whoAmI({ signal });
    log.info('agent serves its node', { nodeName, username, tokenNode: extra[NODE_CLAIM]?.[0] ?? '' });
  } catch (error) {
    if (!signal.aborted) log.warn('API server does not tell who we are', { error: messageOf(error) });
  }
}

/** What a token bound to a pod says of that pod's node. */
const NODE_CLAIM = 'authentication.kubernetes.io/node-name';
