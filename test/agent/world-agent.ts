import { createStageJob } from '../../src/agent/act/stage-job.ts';
import { createStatusWriter } from '../../src/agent/act/status-writer.ts';
import type { PinnedPlan } from '../../src/agent/decide/records.ts';
import type { AgentDeps } from '../../src/agent/deps.ts';
import { runPass } from '../../src/agent/loop.ts';
import type { Stager } from '../../src/agent/ports.ts';
import type { Durable } from '../../src/agent/state.ts';
import type { OSUpgradeProgress } from '../../src/api/monok8s/index.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { StalledError, TransientError } from '../../src/domain/errors.ts';
import type { Timer } from '../../src/kube/timer.ts';
import type { Informer, KubeClient, Patch } from '../../src/kube/types.ts';
import { silent, type World } from './world.ts';

const MAX_PASSES = 2_000;

/** Runs agents in `world`, a new one after each restart, until the object has come to its end or nothing moves. */
export async function live(world: World, beforePass: () => void = () => undefined): Promise<void> {
  let deps = startAgent(world);
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    beforePass();
    const delayMs = await runPass(deps).catch(() => 1_000);
    await settled();
    if (world.isCut || world.isRebootAsked) {
      await deps.job.abort();
      world.goOn();
      deps = startAgent(world);
      continue;
    }
    if (isOver(world)) return;
    world.nowMs += delayMs ?? 60_000;
    if (delayMs !== 0) world.moveGate();
  }
}

const isOver = ({ object, files }: World): boolean =>
  (!object || ['Completed', 'Failed', 'RolledBack'].includes(object.status?.phase ?? '')) && !files.trial;

const settled = () => new Promise<void>(resolve => setImmediate(resolve));
const at: Timer = {
  after: (_delayMs, run) => {
    const handle = setImmediate(run);
    return () => clearImmediate(handle);
  },
};

/** A fresh agent process: nothing but the world outlives it. */
export function startAgent(world: World): AgentDeps {
  const clock: Clock = { nowMs: () => world.nowMs, monotonicMs: () => world.nowMs };
  const client = clientOf(world);
  const node = () => ({ ...NODE, ready: world.isReady, bootId: world.bootId });
  return {
    nodeName: 'node-1',
    agentVersion: '0',
    settings: { versionField: 'VERSION_ID' },
    showPaths: text => text,
    client,
    caches: {
      progresses: informer(world, () => (world.object ? [world.object] : [])),
      nodes: informer(world, () => [node()]),
      // Never synced: nothing is reported in it.
      instances: { start: async () => undefined, hasSynced: false, get: () => undefined, list: () => [] },
    },
    events: {
      record: (_about, _type, reason) => void world.events.push(reason),
      flush: async () => undefined,
    },
    slots: {
      inspect: async () => ({ booted: world.booted, A: world.facts('A'), B: world.facts('B') }),
      assertWritable: async () => undefined,
      missingFiles: async () => [],
      destroySuperblock: async slot => world.do(() => world.destroy(slot)),
    },
    bootLoader: {
      name: 'test',
      read: async () => world.boot,
      assertTrialSupported: async () => undefined,
      assertFindsNewSystem: async () => undefined,
      armTrial: async slot => world.do(() => world.arm(slot)),
      settle: async slot => world.do(() => world.settle(slot)),
      bootFiles: async () => [],
      describeDefault: async () => ({ type: 'u-boot', variable: 'upgrade_available', values: ['0'] }),
    },
    host: {
      bootId: async () => world.bootId,
      reboot: async () =>
        world.do(() => {
          world.isRebootAsked = true;
        }),
      checkHealth: async () => ({ healthy: world.isHealthy, message: '' }),
    },
    guard: {
      protect: async ({ name }, { beforeWrite }) => {
        if (!world.slots[name].isGuarded) {
          await beforeWrite();
          world.do(() => world.guard(name));
        }
        return { isGuarded: true, reason: 'GuardInstalled', message: '' };
      },
    },
    state: {
      trial: file(
        world,
        () => world.files.trial,
        value => {
          world.files.trial = value;
        },
      ),
      marker: file(
        world,
        () => world.files.marker,
        value => {
          world.files.marker = value;
        },
      ),
      defaultSlot: file(
        world,
        () => world.files.defaultSlot,
        value => {
          world.files.defaultSlot = value;
        },
      ),
      guardNote: { load: async () => world.files.guardNote, clear: async () => clearNote(world) },
      pin: file<PinnedPlan>(
        world,
        () => undefined,
        () => undefined,
      ),
      assertWritable: async () => assertWritable(world),
    },
    status: createStatusWriter(client, clock),
    resolver: {
      resolve: async ({ object }) =>
        object.spec.plan
          ? { type: 'plan', plan: object.spec.plan, gated: true }
          : { type: 'refused', reason: 'NoPlan', message: '' },
    },
    job: createStageJob({
      stager: stagerOf(world),
      clock,
      random: () => 0,
      onChange: () => undefined,
      timer: at,
    }),
    uptimeMs: async () => world.nowMs - world.bootedAtMs,
    memory: {},
    clock,
    log: silent,
    signal: new AbortController().signal,
  };
}

const NODE = {
  name: 'node-1',
  uid: 'node-uid',
  resourceVersion: '1',
  labels: {},
  annotations: {},
  unschedulable: false,
  osImage: '',
};

/** A cache that keeps what it has when the API server goes away, and has nothing before it was reached once. */
function informer<T>(world: World, look: () => T[]): Informer<T> {
  let cached: T[] | undefined;
  const list = (): T[] => {
    if (!world.isApiAway) cached = look();
    return cached ?? [];
  };
  return {
    start: async () => undefined,
    get hasSynced() {
      list();
      return cached !== undefined;
    },
    get: () => list()[0],
    list,
  };
}

const stagerOf = (world: World): Stager => ({
  stage: async ({ slot }) => {
    world.do(() => world.destroy(slot.name));
    return world.do(() => world.install(slot.name));
  },
});

/** One durable value; its copies share nothing with what the agent holds. */
function file<T>(world: World, get: () => T | undefined, set: (value: T | undefined) => void): Durable<T> {
  let held: { value: T | undefined } | undefined;
  const put = (value: T | undefined): void =>
    world.do(() => {
      assertWritable(world);
      set(structuredClone(value));
      held = undefined;
    });
  return {
    load: async () => structuredClone(held ? held.value : get()),
    save: async value => put(value),
    clear: async () => put(undefined),
    hold: async value => {
      if (world.isStateReadOnly) held = { value };
      else put(value);
    },
  };
}

function clearNote(world: World): void {
  if (world.files.guardNote) world.do(() => delete world.files.guardNote);
}

function assertWritable({ isStateReadOnly }: World): void {
  if (isStateReadOnly) throw new StalledError('StateNotKept', 'read-only');
}

function clientOf(world: World): KubeClient {
  const no = async (): Promise<never> => Promise.reject(new Error('not to be called'));
  const reach = () => {
    if (world.isApiAway) throw new TransientError('Unreachable', 'connection refused');
  };
  return {
    get: async resource => {
      reach();
      return world.object ? resource.parse({ ...world.object }) : undefined;
    },
    patchStatus: async (resource, _ref, patch) => {
      reach();
      return resource.parse(world.do(() => world.writeStatus(statusIn(patch))));
    },
    ...{ list: no, create: no, patch: no, delete: no, evict: no, serverVersion: no, whoAmI: no },
    close: async () => undefined,
  };
}

function statusIn(patch: Patch): OSUpgradeProgress['status'] {
  const operation = patch.type === 'json' && patch.body.find(({ path }) => path === '/status');
  return operation ? structuredClone(operation.value as OSUpgradeProgress['status']) : undefined;
}
