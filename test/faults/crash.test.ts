import { expect } from 'chai';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import type { PowerCut } from '../env/node/power-cut-plan.ts';
import { readTrace } from '../env/node/power-cut-plan.ts';
import { eventually } from '../env/wait.ts';
import { fault } from './rows.ts';
import { ENDS, NEW, OLD, useWorld } from './world.ts';

/** How many power cuts are spread over the writes of an upgrade. `POWER_CUTS=all` cuts at each write. */
const CUTS =
  process.env.POWER_CUTS === 'all' ? Number.POSITIVE_INFINITY : Number(process.env.POWER_CUTS ?? 12);
const AT_ONCE = 3;

/** Numbers from 0 to 1 that are the same in each run. */
function repeatable(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

describe('agents and machines that stop at any moment', function () {
  this.timeout(1_200_000);
  const world = useWorld();

  fault('agent killed at random moments', async () => {
    const kills = await Promise.all([3, 5, 8].map(seed => upgradeWithKills(repeatable(seed))));
    expect(
      kills.reduce((sum, each) => sum + each, 0),
      'agents were killed while they worked',
    ).to.be.at.least(3);
  });

  /** One upgrade whose agent is killed now and then; it goes through all the same. Resolves to how often. */
  const upgradeWithKills = async (random: () => number): Promise<number> => {
    const node = await world().node();
    const name = await world().plan(node.name, world().entry());
    const isOver = async (): Promise<boolean> => ENDS.includes((await world().statusOf(name)).phase ?? '');
    let kills = 0;
    while (kills < 7 && !(await isOver())) {
      // An agent that was just started gets some time, or it would never come further.
      const lifeMs = 350 + random() * 900;
      await eventually(isOver, { timeoutMs: lifeMs, what: 'the plan ends' }).catch(() => undefined);
      if (node.agent.pid === undefined) continue;
      await node.agent.kill('SIGKILL');
      kills += 1;
    }
    expect(await world().end(name)).to.include({ phase: 'Completed', attempt: 1 });
    await node.assertBootsVersion(NEW);
    expect(node.bootCount, 'one reboot').to.equal(2);
    return kills;
  };

  fault('power cut in every phase', async () => {
    const writes = await countWrites();
    expect(writes, 'an upgrade writes more often than that').to.be.greaterThan(20);
    const points = spread(writes, CUTS);
    const ends: string[] = [];
    while (points.length > 0) {
      const batch = points.splice(0, AT_ONCE);
      ends.push(...(await Promise.all(batch.map(at => endOfCut({ at, seed: at })))));
    }
    // Whatever the power did: some upgrades went through.
    expect(ends.join('\n')).to.match(/Completed/);
  });

  const traced = async (cut: PowerCut): Promise<EmulatedNode> => {
    const node = await world().node({ secondVersion: 'v1.33.0' });
    node.agent.powerCut = cut;
    await node.agent.kill('SIGTERM');
    return node;
  };

  /** Lets an upgrade go through to learn how often it writes. */
  const countWrites = async (): Promise<number> => {
    const node = await traced({});
    await world().end(await world().plan(node.name, world().entry()));
    await node.assertBootsVersion(NEW);
    return (await readTrace(node.dir)).length;
  };

  /** One upgrade with a power cut: it ends by itself in the old or the new version, and never in a third state. */
  const endOfCut = async (cut: PowerCut): Promise<string> => {
    const node = await traced(cut);
    const status = await world().end(await world().plan(node.name, world().entry()));
    const end = `cut ${cut.at} (seed ${cut.seed}): ${status.phase} ${status.failureReason}: ${status.message}`;
    expect(status.phase, end).to.be.oneOf(['Completed', 'RolledBack']);
    await node.assertBootsVersion(status.phase === 'Completed' ? NEW : OLD).catch(error => {
      throw new Error(`${end}: ${error.message}`);
    });
    expect(node.bootCount, `${end}: the power was cut`).to.be.at.least(2);
    await node.removeFromCluster();
    return end;
  };
});

/** `count` numbers, evenly spread from 1 to `last`. */
const spread = (last: number, count: number): number[] =>
  count >= last
    ? Array.from({ length: last }, (_, i) => i + 1)
    : Array.from({ length: count }, (_, i) => Math.round(1 + (i * (last - 1)) / (count - 1)));
