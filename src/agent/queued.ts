import { phaseOf } from './attempt.ts';
import type { AgentDeps } from './deps.ts';
import type { Snapshot } from './snapshot.ts';

/** Tells objects that were not begun which one they wait for: there is one running plan on a node. */
export async function reportQueued({ status }: AgentDeps, { objects, task }: Snapshot): Promise<void> {
  if (!task) return;
  const waiting = objects.filter(o => o !== task.object && o.status?.phase === undefined);
  for (const object of waiting) {
    const message = `waiting for ${task.object.metadata.name}, which is ${phaseOf(task)} on this node`;
    await status.write(object, { attempt: 0, phase: 'Pending', message });
  }
}
