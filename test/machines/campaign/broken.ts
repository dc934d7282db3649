import { ok, strictEqual } from 'node:assert/strict';
import type { OSUpgradeProgressStatus } from '../../../src/api/monok8s/index.ts';
import type { MachineNode } from '../machine-node.ts';
import { tailOf } from '../qemu/console.ts';
import { type AppliedRequest, applyOSUpgrade } from '../requests.ts';
import { rawSystem, type SystemSpec } from '../tree/system.ts';
import { nextVersion } from '../versions.ts';
import type { CaseContext, CaseNodeOptions } from './case.ts';
import { type Before, lookBefore, untilRolledBack } from './steps.ts';

/** What is wrong with a system. */
export type Flaw = Pick<SystemSpec, 'files' | 'executable' | 'prettyName'>;

/** How a broken system ends. */
export interface BrokenEnd {
  /** What the console shows of it, between the reboot and the old system: so it is known that it was tried. */
  readonly shows: RegExp;
  /** Of the object. */
  readonly reason: RegExp;
  /** What the object's message has to tell. */
  readonly says?: RegExp;
  /** How often the machine starts. Default 2: the new system, and the old one again. */
  readonly boots?: number;
  readonly node?: CaseNodeOptions;
}

/** A broken system under way on a node. */
export interface BrokenTrial {
  readonly node: MachineNode;
  readonly request: AppliedRequest;
  readonly before: Before;
}

/** Asks a node for a system with a flaw. */
export async function tryBroken(
  { node: take, world }: CaseContext,
  flaw: Flaw,
  options: CaseNodeOptions = { firmware: 'uefi' },
): Promise<BrokenTrial> {
  const node = await take(options);
  const before = await lookBefore(node);
  const version = nextVersion(before.view.osImage);
  const file = world.serve(await rawSystem({ version, ...flaw }));
  const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
  return { node, request, before };
}

/** Lets a node try a system with a flaw, and holds it to coming back by itself. */
export async function fallsBack(
  context: CaseContext,
  flaw: Flaw,
  end: BrokenEnd,
): Promise<OSUpgradeProgressStatus> {
  return untilFallenBack(context, await tryBroken(context, flaw, end.node), end);
}

/** What a machine had shown and how often it had been started at some moment. */
export interface Counts {
  readonly mark: number;
  readonly boots: number;
}

/** Of now. */
export const countsOf = ({ machine }: MachineNode): Counts => ({
  mark: machine.console.mark,
  boots: machine.boots.length,
});

/** Waits until the node of a broken system has come back by itself, and looks whether it really was away. */
export async function untilFallenBack(
  { note, step }: CaseContext,
  { node, request, before }: BrokenTrial,
  { shows, reason, says = /./, boots = 2 }: BrokenEnd,
  since: Counts = countsOf(node),
): Promise<OSUpgradeProgressStatus> {
  const { machine } = node;
  step('waiting for the machine to come back');
  const status = await untilRolledBack(node, request, { before, reason }).catch((error: unknown) => {
    throw new Error(
      `${String(error)}\nconsole of ${node.name}:\n${tailOf(machine.console.text.slice(since.mark), 60)}`,
    );
  });
  const text = machine.console.text.slice(since.mark);
  ok(shows.test(text), `the console does not show ${shows}:\n${tailOf(text, 60)}`);
  strictEqual(machine.boots.length - since.boots, boots, 'how often the machine was started');
  const message = status.message ?? '';
  ok(says.test(message), `the message does not tell ${says}: ${message}`);
  note(`${status.failureReason}: ${withoutHint(message)}`);
  await request.remove();
  return status;
}

/** A message without the command that tries again: it is the same for all. */
export const withoutHint = (message = ''): string => message.replace(/\. To try again: .*$/s, '');
