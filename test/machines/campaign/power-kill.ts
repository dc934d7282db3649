import type { MachineNode } from '../machine-node.ts';
import { untilOverIt } from '../power/after-cut.ts';
import { type KillMoment, MOMENTS, untilMoment } from '../power/kill-moments.ts';
import type { CutResult } from '../power/replay-cut.ts';
import { tailOf } from '../qemu/console.ts';
import { type AppliedRequest, applyOS, applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { sumUp, tellCut } from './power-results.ts';
import { lookBefore } from './steps.ts';

const { downloading, installing, staged, rebooting, grub, kernel, confirming, completed } = MOMENTS;

/** One plan after the other, each with its cuts. A rollback has the same trial as an upgrade and downloads nothing. */
const ROUNDS: readonly (readonly [kind: 'upgrade' | 'rollback', cuts: readonly KillMoment[]])[] = [
  ['upgrade', [downloading, downloading, installing, staged, rebooting]],
  ['rollback', [staged]],
  ['rollback', [grub]],
  ['rollback', [kernel]],
  ['rollback', [confirming]],
  ['rollback', [rebooting]],
  ['rollback', [completed]],
  ['upgrade', [installing, kernel]],
];

export const POWER_KILL: MachineCase = {
  id: 'power/kill',
  title: 'the emulator is killed in every phase, with a disk that keeps what it said to be written',
  expected: 'boots each time, old or new version; the plan goes on',
  run: killInEveryPhase,
};

async function killInEveryPhase(context: CaseContext): Promise<void> {
  const node = await context.node({ isPrivate: true, hardware: { diskCache: 'honest' } });
  const results: CutResult[] = [];
  const { booted, view } = await lookBefore(node);
  const osImages: Record<'A' | 'B', string> = { A: view.osImage, B: view.osImage };
  let newest = view.osImage;
  let isFirst = true;
  const rounds = withIds(ROUNDS);
  for (const { kind, cuts: all } of rounds) {
    const cuts = all.filter(({ id }) => context.wantsCut(id));
    // The first fills the other slot, which the rollbacks need.
    if (cuts.length === 0 && !isFirst) continue;
    const { booted: from } = isFirst ? { booted } : await lookBefore(node);
    isFirst = false;
    const slot = from === 'A' ? 'B' : 'A';
    if (kind === 'upgrade') {
      newest = osImageOf(nextVersion(newest));
      osImages[slot] = newest;
    }
    const request = await ask(context, { node, kind, osImage: osImages[slot] });
    await cutInPlan(context, { node, kind, request, slot, osImages, cuts, results });
    await request.remove();
  }
  const ids = rounds.flatMap(({ cuts }) => cuts.map(({ id }) => id));
  await sumUp(context, results, ids);
}

type Cut = KillMoment & { readonly id: string };

/** Cuts of the same kind are counted. */
function withIds(rounds: typeof ROUNDS): { kind: Round['kind']; cuts: readonly Cut[] }[] {
  const counts = new Map<string, number>();
  return rounds.map(([kind, cuts]) => ({
    kind,
    cuts: cuts.map(moment => {
      const name = `kill-${kind}-${moment.name}`;
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      return { ...moment, id: `${name}-${count}` };
    }),
  }));
}

interface Round {
  readonly node: MachineNode;
  readonly kind: 'upgrade' | 'rollback';
  readonly request: AppliedRequest;
  readonly slot: 'A' | 'B';
  readonly osImages: Readonly<Record<'A' | 'B', string>>;
  readonly cuts: readonly Cut[];
  /** Those of all rounds; more are added. */
  readonly results: CutResult[];
}

async function ask(
  { world }: CaseContext,
  {
    node,
    kind,
    osImage,
  }: { readonly node: MachineNode; readonly kind: Round['kind']; readonly osImage: string },
): Promise<AppliedRequest> {
  const version = `v${osImage.replace(/^\D+/, '')}`;
  const nodeName = node.name;
  if (kind === 'rollback')
    return applyOS(world, { nodeName, version, spec: { opstype: 'rollback', imagetype: '' } });
  return applyOSUpgrade(world, { nodeName, version, file: world.serve(await rawSystem({ version })) });
}

/** Cuts the power in one plan, and waits for its end. What does not hold is told in the results, and ends the case. */
async function cutInPlan(context: CaseContext, round: Round): Promise<void> {
  const { world, random, seed, step } = context;
  const { node, kind, request, slot, osImages, cuts, results } = round;
  let since: string | undefined;
  if (cuts.length === 0) await request.until(['Completed']);
  for (const [index, moment] of cuts.entries()) {
    const startMs = performance.now();
    const { id } = moment;
    step(id);
    const { status, told } = await untilMoment(moment, { request, machine: node.machine, since }, random);
    const { bootId } = await node.view();
    await node.machine.cutPower();
    since = status.lastUpdatedAt ?? undefined;
    const { mark } = node.machine.console;
    const boots = node.machine.boots.length;
    await node.machine.powerOn();
    const planName = (await request.progress())?.metadata.name ?? '';
    const result = await untilOverIt({
      ...{ world, node, planName, slot, osImages, bootIdBefore: bootId },
      isToEnd: index === cuts.length - 1,
    }).then(
      seen => ({ isOk: true, outcome: `${seen}, in ${node.machine.boots.length - boots} boots` }),
      (error: unknown) => ({
        isOk: false,
        outcome: `${String(error)}\n${tailOf(node.machine.console.text.slice(mark), 60)}`,
      }),
    );
    const seconds = Math.round((performance.now() - startMs) / 1000);
    results.push({ id, seed, phase: `${kind}, ${status.phase}`, moment: told, ...result, seconds });
    await tellCut(context, results);
    if (!result.isOk) throw new Error(`${id}: ${result.outcome}`);
  }
}
