import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startController } from '../../env/controller-process.ts';
import { createRandom } from '../campaign/run-case.ts';
import { tailOf } from '../qemu/console.ts';
import type { World } from '../world.ts';
import { untilOverIt } from './after-cut.ts';
import type { ApiHistory } from './api-history.ts';
import type { CutPoint } from './cut-points.ts';
import { lookAtDisk } from './disk-facts.ts';
import { placeOf } from './moments.ts';
import { revisionAt } from './recorder.ts';
import type { RecordedPlan, Recording } from './recording.ts';
import type { Replayer } from './replay.ts';

/** What one cut came to. */
export interface CutResult {
  readonly id: string;
  readonly seed: number;
  /** Phase of the plan when the power was cut. */
  readonly phase: string;
  /** "entry 812 of 9000, environment" */
  readonly moment: string;
  readonly outcome: string;
  readonly isOk: boolean;
  readonly seconds: number;
}

/** What all cuts of a recording share. */
export interface ReplaySite {
  readonly world: World;
  readonly recording: Recording;
  readonly replayer: Replayer;
  readonly history: ApiHistory;
  readonly seed: number;
}

/** Begins so again after a cut that everything is done anew: not all of these are waited for to the end. */
const EARLY = ['Pending', 'Downloading', 'Installing'];
const FULL_EVERY = 12;

/** Cuts the power once: makes the disk, sets the API server back, switches the machine on, and sees what comes. */
export async function replayCut(site: ReplaySite, point: CutPoint, number: number): Promise<CutResult> {
  const { recording, world, seed } = site;
  const { node, log, timeline } = recording;
  const startMs = performance.now();
  const plan = planAt(recording, point.cut);
  const phase = plan.phases.findLast(({ entries }) => entries <= point.cut)?.phase ?? 'Pending';
  const entry = log.entries[point.cut - 1];
  const place = entry ? placeOf(entry, { log, disk: recording.base, slot: plan.slot }) : 'nothing';
  const mark = node.machine.console.mark;
  const path = join(world.cluster.dir, node.name, 'cut.raw');
  let controller: Awaited<ReturnType<typeof startController>> | undefined;
  let isOk = true;
  let outcome: string;
  try {
    const disk = await site.replayer.build(point.cut, createRandom(`${seed}/${point.id}`), path);
    const facts = await lookAtDisk(disk, recording);
    await site.history.restore(revisionAt(timeline, point.cut), node.name);
    const { bootId: bootIdBefore } = await node.view();
    controller = await startController(world.cluster);
    const plain = `if=none,id=disk,file=${path},format=raw,cache=unsafe,aio=threads`;
    const boots = node.machine.boots.length;
    await node.machine.powerOn({ diskPath: path, diskNode: ['-drive', plain] });
    const isToEnd = !EARLY.includes(phase) || number % FULL_EVERY === 0;
    const seen = await untilOverIt({
      ...{ world, node, planName: plan.name, slot: plan.slot, osImages: recording.osImages },
      ...{ bootIdBefore, isToEnd },
    });
    const armed = facts.armed && `, ${facts.armed} armed`;
    const other = plan.slot === facts.defaultSlot ? '' : `, slot ${plan.slot}: ${facts.slots[plan.slot]}`;
    const took = `in ${node.machine.boots.length - boots} boots`;
    outcome = `default ${facts.defaultSlot}${armed}${other}; ${seen}, ${took}`;
  } catch (error) {
    isOk = false;
    const console = tailOf(node.machine.console.text.slice(mark), 60);
    outcome = `${error instanceof Error ? error.message : String(error)}\n${console}`;
  } finally {
    await node.machine.cutPower();
    await controller?.stop();
    await rm(path, { force: true });
  }
  const seconds = Math.round((performance.now() - startMs) / 1000);
  const moment = `${point.cut} of ${log.entries.length}, ${place}`;
  return { id: point.id, seed, phase: `${plan.kind}, ${phase}`, moment, outcome, isOk, seconds };
}

function planAt({ plans }: Recording, cut: number): RecordedPlan {
  const plan = plans.findLast(({ phases }) => (phases[0]?.entries ?? Infinity) <= cut) ?? plans[0];
  if (plan === undefined) throw new Error('no plan was recorded');
  return plan;
}
