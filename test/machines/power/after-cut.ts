import { ok, strictEqual } from 'node:assert/strict';
import type { OSUpgradeProgress } from '../../../src/api/monok8s/index.ts';
import { isTerminalPhase } from '../../../src/domain/progress.ts';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import { readRunningEnvironment } from '../running.ts';
import type { World } from '../world.ts';

/** How a plan is found again after a power cut. */
export interface AfterCut {
  readonly world: World;
  readonly node: MachineNode;
  /** Of the progress object. */
  readonly planName: string;
  /** The slot that the plan tries, and where it came from. */
  readonly slot: 'A' | 'B';
  readonly osImages: Readonly<Record<'A' | 'B', string>>;
  /** Boot that the API server knew before the power was cut. */
  readonly bootIdBefore: string;
  /** Default true. False: it is enough that the plan goes on from where it has to begin anew. */
  readonly isToEnd?: boolean;
}

const BOOT_MS = 300_000;
// A computer that is busy with other machines needs six minutes to fetch an image and boot it.
const END_MS = 900_000;

const readPlan = ({ world, planName }: Pick<AfterCut, 'world' | 'planName'>): Promise<OSUpgradeProgress> =>
  world.api.call('GET', `/apis/monok8s.io/v1alpha1/osupgradeprogresses/${planName}`);

/**
 * Waits for what has to come after a power cut, on a machine that was switched on again.
 * @returns what came, in words
 * @throws Error if it does not boot, runs anything but the old or the new version, or the plan does not go on
 */
export async function untilOverIt(after: AfterCut): Promise<string> {
  const { node, osImages, slot, bootIdBefore, isToEnd = true } = after;
  const from = slot === 'A' ? 'B' : 'A';
  const before = await readPlan(after);
  const wasOver = isTerminalPhase(before.status?.phase ?? 'Pending');
  await node.untilReady({ notBootId: bootIdBefore, timeoutMs: BOOT_MS });
  // The plan may reboot the machine meanwhile.
  const { booted, osImage } = await eventually(() => seeSystem(node, osImages), {
    timeoutMs: 180_000,
    what: `the Node ${node.name} says what it runs`,
  });
  const first = `booted ${booted} (${osImage})`;
  const status = await eventually(
    async () => {
      const { status } = await readPlan(after);
      const isNews = wasOver || status?.lastUpdatedAt !== before.status?.lastUpdatedAt;
      const isEnough = isToEnd
        ? isTerminalPhase(status?.phase ?? 'Pending')
        : GOES_ON.includes(status?.phase ?? '');
      return isNews && isEnough && status;
    },
    { timeoutMs: END_MS, everyMs: 500, what: `${after.planName} goes on` },
  );
  if (!isToEnd) {
    if (UNTRIED.includes(status.phase ?? '')) strictEqual(booted, from, 'the slot that runs');
    return `${first}, goes on: ${status.phase}`;
  }
  const wanted = status.phase === 'Completed' ? slot : from;
  if (status.phase !== 'Completed') ok(status.failureReason && status.message, `${status.phase} says why`);
  await untilSettled(node, wanted);
  strictEqual((await node.view()).osImage, osImages[wanted], 'what the Node says at the end');
  const why = status.failureReason ? ` (${status.failureReason}: ${status.message})` : '';
  return `${first}, ${wasOver ? 'stays' : 'ends'} ${status.phase}${why}, runs ${wanted}`;
}

const UNTRIED: readonly string[] = ['Downloading', 'Installing', 'Staged', 'Draining'];
const GOES_ON: readonly string[] = [...UNTRIED, 'Rebooting', 'Confirming', 'Completed'];

async function seeSystem(
  node: MachineNode,
  osImages: AfterCut['osImages'],
): Promise<{ booted: 'A' | 'B'; osImage: string } | false> {
  const { booted } = await readRunningEnvironment(node);
  const { osImage } = await node.view();
  return osImage === osImages[booted] && { booted, osImage };
}

/** Waits until the slot runs, is the default, nothing is armed, and the node may be used. */
async function untilSettled(node: MachineNode, slot: 'A' | 'B'): Promise<void> {
  await eventually(
    async () => {
      const { booted, environment } = await readRunningEnvironment(node);
      const { isCordoned, isReady } = await node.view();
      const isDefault = (environment.get('saved_entry') || 'A') === slot;
      return booted === slot && isDefault && !environment.get('next_entry') && isReady && !isCordoned;
    },
    { timeoutMs: 120_000, everyMs: 1000, what: `${node.name} is at peace in slot ${slot}` },
  );
}
