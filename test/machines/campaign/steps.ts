import { ok, strictEqual } from 'node:assert/strict';
import type { OSUpgradeProgressStatus } from '../../../src/api/monok8s/index.ts';
import { eventually } from '../../env/wait.ts';
import type { MachineNode, NodeView } from '../machine-node.ts';
import type { AppliedRequest } from '../requests.ts';
import { readRunningEnvironment } from '../running.ts';

/** How a node was found before something was asked of it. */
export interface Before {
  readonly view: NodeView;
  readonly booted: 'A' | 'B';
}

/** Looks at a node that is well. */
export async function lookBefore(node: MachineNode): Promise<Before> {
  const view = await node.view();
  const { booted } = await readRunningEnvironment(node);
  return { view, booted };
}

/**
 * Waits until a request has been completed on the node, and holds it to what that means: the new system runs in the
 * other slot, which is the default with nothing armed; the node is Ready and not cordoned.
 * @param osImage what the node must report
 */
export async function untilUpgraded(
  node: MachineNode,
  request: AppliedRequest,
  { before, osImage }: { readonly before: Before; readonly osImage: string },
): Promise<OSUpgradeProgressStatus> {
  const status = await request.until(['Completed']);
  const view = await node.untilReady({ notBootId: before.view.bootId });
  strictEqual(view.osImage, osImage);
  await untilAtPeace(node, before.booted === 'A' ? 'B' : 'A');
  return status;
}

/** Waits until a request has been rolled back on the node: the old system runs, is the default, and serves. */
export async function untilRolledBack(
  node: MachineNode,
  request: AppliedRequest,
  { before, reason }: { readonly before: Before; readonly reason: RegExp },
): Promise<OSUpgradeProgressStatus> {
  const status = await request.until(['RolledBack']);
  ok(reason.test(status.failureReason ?? ''), `${status.failureReason} is not ${reason}: ${status.message}`);
  ok(status.message, 'the object says why');
  const view = await node.untilReady({ notBootId: before.view.bootId });
  strictEqual(view.osImage, before.view.osImage);
  await untilAtPeace(node, before.booted);
  return status;
}

/** Waits until the node runs `slot`, which is the default, nothing is armed, and nobody keeps it cordoned. */
export async function untilAtPeace(node: MachineNode, slot: 'A' | 'B'): Promise<void> {
  await eventually(async () => !(await node.view()).isCordoned, {
    timeoutMs: 60_000,
    what: `${node.name} is uncordoned`,
  });
  const { booted, environment } = await readRunningEnvironment(node);
  strictEqual(booted, slot, 'the slot that runs');
  // Without it GRUB takes the first entry.
  strictEqual(environment.get('saved_entry') || 'A', slot, 'saved_entry');
  strictEqual(environment.get('next_entry') ?? '', '', 'next_entry');
}
