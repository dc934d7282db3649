import { join } from 'node:path';
import { eventually } from '../../env/wait.ts';
import { lookBefore, untilUpgraded } from '../campaign/steps.ts';
import { copyDisk, type DiskLayout } from '../disk/layout.ts';
import type { MachineNode } from '../machine-node.ts';
import { type AppliedRequest, applyOS, applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { FIRST_VERSION, nextVersion, osImageOf } from '../versions.ts';
import type { World } from '../world.ts';
import { loggedDisk } from './logged-disk.ts';
import { phasesOf, startRecorder, type Timeline } from './recorder.ts';
import { openWriteLog, type WriteLog } from './write-log.ts';

/** A plan as it went without power cuts. */
export interface RecordedPlan {
  readonly kind: 'upgrade' | 'rollback';
  /** Of the progress object. */
  readonly name: string;
  /** The slot that it tries. */
  readonly slot: 'A' | 'B';
  /** Where each phase begins, in entries of the log. */
  readonly phases: ReturnType<typeof phasesOf>;
}

/** An upgrade and a rollback, with all that was written to the disk meanwhile. */
export interface Recording {
  readonly node: MachineNode;
  /** The disk before. */
  readonly base: DiskLayout;
  readonly log: WriteLog;
  readonly timeline: Timeline;
  readonly plans: readonly RecordedPlan[];
  /** What the Node says of each slot's system. */
  readonly osImages: Readonly<Record<'A' | 'B', string>>;
}

/** Has a new node upgraded and rolled back with a disk that keeps a log. The node is off at the end. */
export async function record(world: World, name: string): Promise<Recording> {
  const node = await world.addNode({
    ...{ name, firmware: 'uefi', system: { version: FIRST_VERSION } },
    labels: { 'upgrade.openeuler.org/node-selector': name },
  });
  const { machine, disk } = node;
  const first = await node.untilReady();
  await node.untilAgentRuns();
  await machine.run('systemctl --no-block poweroff');
  await eventually(() => !machine.isOn, { timeoutMs: 120_000, what: `${name} is off` });

  const dir = join(world.cluster.dir, name);
  const base = await copyDisk(disk, join(dir, 'base.raw'));
  const { args, logPath } = loggedDisk(disk.path, join(dir, 'writes.log'));
  await machine.powerOn({ diskNode: args });
  await node.untilReady({ notBootId: first.bootId });
  const log = openWriteLog(logPath);
  const recorder = await startRecorder(world.api, machine, log);
  const version = nextVersion(first.osImage);
  const osImages = { A: first.osImage, B: osImageOf(version) };

  const upgrade = await applyOSUpgrade(world, {
    ...{ nodeName: name, version },
    file: world.serve(await rawSystem({ version })),
  });
  const before = await lookBefore(node);
  await untilUpgraded(node, upgrade, { before, osImage: osImages.B });
  const upgradeName = await nameOf(upgrade);
  await upgrade.remove();
  const rollback = await applyOS(world, {
    ...{ nodeName: name, version: FIRST_VERSION },
    spec: { opstype: 'rollback', imagetype: '' },
  });
  await untilUpgraded(node, rollback, { before: await lookBefore(node), osImage: osImages.A });
  const rollbackName = await nameOf(rollback);
  // The last writes too: what is told at the end is cleaned up after.
  await machine.run('sync');
  await recorder.stop();
  await machine.cutPower();

  const { timeline } = recorder;
  const plan = (kind: RecordedPlan['kind'], planName: string, slot: 'A' | 'B'): RecordedPlan => ({
    ...{ kind, name: planName, slot },
    phases: phasesOf(timeline, planName),
  });
  const plans = [plan('upgrade', upgradeName, 'B'), plan('rollback', rollbackName, 'A')];
  return { node, base, log, timeline, plans, osImages };
}

async function nameOf(request: AppliedRequest): Promise<string> {
  const progress = await request.progress();
  if (progress === undefined) throw new Error(`${request.name} has no progress object`);
  return progress.metadata.name;
}
