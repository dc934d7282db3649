import type { OSUpgradeProgress } from '../api/monok8s/index.ts';
import { messageOf, StalledError } from '../domain/errors.ts';
import { byAge } from '../domain/progress.ts';
import { chooseTask } from './decide/attempt.ts';
import type { SlotView, Snapshot, Staging, Task } from './decide/snapshot.ts';
import { versionOf } from './decide/version-rule.ts';
import type { AgentDeps } from './deps.ts';

/** How long the reboot that was asked for is waited for before the node is looked at again. */
const REBOOT_PATIENCE_MS = 60_000;

/** Reads everything that the next step depends on. */
export async function gather(deps: AgentDeps): Promise<Snapshot> {
  const { caches, state, job, memory, clock } = deps;
  // Looked at once, and first: what is read of the slots afterwards is never older than what the job says.
  const staging = job.view();
  const [slots, bootId, trial, marker, notedDefault, guardNote, uptimeMs] = await Promise.all([
    readSlots(deps, staging),
    deps.host.bootId(),
    state.trial.load(),
    state.marker.load(),
    state.defaultSlot.load(),
    state.guardNote.load(),
    deps.uptimeMs(),
  ]);
  const objects = ownObjects(deps);
  // A trial is decided by its record alone: it must not wait for what resolving an object may need.
  const task = caches.progresses.hasSynced && !trial ? await taskOf(deps, objects, slots) : undefined;
  const node = caches.nodes.get({ name: deps.nodeName });
  const { health, rebootAskedMs } = memory;
  const nowMs = clock.monotonicMs();
  return {
    objects,
    isSynced: caches.progresses.hasSynced,
    slots,
    bootId,
    uptimeMs,
    staging,
    isRebooting: rebootAskedMs !== undefined && nowMs - rebootAskedMs < REBOOT_PATIENCE_MS,
    settings: deps.settings,
    ...(task && { task }),
    ...(trial && { trial }),
    ...(marker && { marker }),
    ...(notedDefault && { notedDefault }),
    ...(guardNote && { guardNote }),
    ...(node && { node: { ready: node.ready, bootId: node.bootId } }),
    ...(health && {
      health: { healthy: health.healthy, message: health.message, ageMs: nowMs - health.atMs },
    }),
  };
}

function ownObjects({ caches, status, nodeName }: AgentDeps): OSUpgradeProgress[] {
  const own = caches.progresses.list().filter(object => object.spec.nodeName === nodeName);
  return own.map(status.newest).toSorted(byAge);
}

async function readSlots(
  { slots, bootLoader, memory, showPaths }: AgentDeps,
  staging: Staging,
): Promise<SlotView> {
  try {
    const layout = staging.type === 'running' && memory.layout ? memory.layout : await slots.inspect();
    memory.layout = layout;
    return { ok: true, layout, boot: await bootLoader.read() };
  } catch (error) {
    if (!(error instanceof StalledError)) throw error;
    return { ok: false, reason: error.reason, message: showPaths(messageOf(error)) };
  }
}

async function taskOf(
  deps: AgentDeps,
  objects: readonly OSUpgradeProgress[],
  slots: SlotView,
): Promise<Task | undefined> {
  const running = slots.ok ? slots.layout[slots.layout.booted].osRelease : undefined;
  const candidate = chooseTask(objects, { settings: deps.settings, osRelease: running });
  if (!candidate) return undefined;
  const version = versionOf(running, deps.settings.versionField);
  return { ...candidate, resolution: await deps.resolver.resolve(candidate, version) };
}
