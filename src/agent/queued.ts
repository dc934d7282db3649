import { phaseOf } from './decide/attempt.ts';
import type { Snapshot } from './decide/snapshot.ts';
import type { AgentDeps } from './deps.ts';

/** Tells objects that were not begun which one they wait for: there is one running plan on a node. */
export async function reportQueued({ status }: AgentDeps, { objects, task, trial }: Snapshot): Promise<void> {
  const current = trial?.progress ?? task?.object.metadata;
  if (!current) return;
  const phase = trial || !task ? 'Rebooting' : phaseOf(task);
  const waiting = objects.filter(o => o.metadata.uid !== current.uid && o.status?.phase === undefined);
  for (const object of waiting) {
    const message = `waiting for ${current.name}, which is ${phase} on this node`;
    await status.write(object, { attempt: 0, phase: 'Pending', message });
  }
}
