import { join } from 'node:path';
import { openApiHistory } from '../power/api-history.ts';
import { chooseCuts } from '../power/cut-points.ts';
import { type Place, placeOf } from '../power/moments.ts';
import { type Recording, record } from '../power/recording.ts';
import { createReplayer } from '../power/replay.ts';
import { type CutResult, replayCut } from '../power/replay-cut.ts';
import { wishesFor } from '../power/wishes.ts';
import { startWorld } from '../world.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { POWER_KILL } from './power-kill.ts';
import { sumUp, tellCut } from './power-results.ts';

/** Power cuts. */
export const POWER: readonly MachineCase[] = [
  POWER_KILL,
  {
    id: 'power/replay',
    title: 'writes of an upgrade and a rollback replayed up to random points between flushes',
    expected: 'boots each time, old or new version; the plan goes on',
    run: replayCuts,
  },
];

/** In a cluster of its own, as it sets the API server back. */
async function replayCuts(context: CaseContext): Promise<void> {
  const { step, seed } = context;
  const world = await startWorld('power');
  try {
    step('recording an upgrade and a rollback');
    const recording = await record(world, 'power-1');
    await world.controller?.stop();
    const all = chooseCuts(wishesFor(recording), placesOf(recording), context.random);
    const points = inPasses(all).filter(({ id }) => context.wantsCut(id));
    const replayer = createReplayer(
      recording.log,
      recording.base,
      join(world.cluster.dir, 'power-1', 'certain.raw'),
    );
    const site = { world, recording, replayer, history: openApiHistory(world.cluster), seed };
    const results: CutResult[] = [];
    for (const [number, point] of points.entries()) {
      step(`${number + 1}/${points.length} ${point.id}`);
      results.push(await replayCut(site, point, number));
      await tellCut(context, results);
    }
    await site.history.close();
    await sumUp(
      context,
      results,
      all.map(({ id }) => id),
    );
  } finally {
    await world.stop();
  }
}

/** Every third one first, so that a campaign that is broken off has been everywhere. Rising within each pass. */
const inPasses = <T>(all: readonly T[]): T[] =>
  [0, 1, 2].flatMap(pass => all.filter((_, index) => index % 3 === pass));

/** What an entry was about; the slot is that of the plan at that moment. */
function placesOf({ log, base, plans }: Recording): (index: number) => Place {
  const known = new Map<number, Place>();
  return index => {
    const entry = log.entries[index];
    const plan = plans.findLast(({ phases }) => (phases[0]?.entries ?? 0) <= index) ?? plans[0];
    if (entry === undefined || plan === undefined) return 'flush';
    const place = known.get(index) ?? placeOf(entry, { log, disk: base, slot: plan.slot });
    known.set(index, place);
    return place;
  };
}
