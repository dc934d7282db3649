import { setTimeout as delay } from 'node:timers/promises';
import type { OSUpgradeProgressStatus } from '../../../src/api/monok8s/index.ts';
import { isTerminalPhase } from '../../../src/domain/progress.ts';
import { eventually } from '../../env/wait.ts';
import type { Machine } from '../qemu/machine.ts';
import type { AppliedRequest } from '../requests.ts';

/** When an emulator is killed. */
export interface KillMoment {
  readonly name: string;
  /** In one of these phases; the plan has to have got there since the last cut. The first may pass too quickly. */
  readonly phases: readonly string[];
  /** After the next boot has begun. */
  readonly isInNextBoot?: boolean;
  /** Milliseconds after that, at random between these. */
  readonly afterMs: readonly [least: number, most: number];
}

const moment = (
  name: string,
  phases: readonly string[],
  afterMs: KillMoment['afterMs'],
  isInNextBoot = false,
): KillMoment => ({ name, phases, afterMs, isInNextBoot });

/** The moments that a plan has. A machine needs 2 to 5 seconds to its kernel, and 15 or more from there to its agent. */
export const MOMENTS = {
  downloading: moment('downloading', ['Downloading'], [0, 5000]),
  installing: moment('installing', ['Installing', 'Staged', 'Draining'], [0, 3000]),
  staged: moment('staged', ['Staged', 'Draining', 'Rebooting'], [0, 1000]),
  rebooting: moment('rebooting', ['Rebooting'], [0, 3000]),
  grub: moment('grub', ['Rebooting'], [500, 4000], true),
  kernel: moment('kernel', ['Rebooting'], [5000, 20_000], true),
  confirming: moment('confirming', ['Confirming', 'Completed'], [0, 1500]),
  completed: moment('completed', ['Completed'], [0, 500]),
} as const;

const PATIENCE_MS = 420_000;

/**
 * Waits for the moment.
 * @param since `lastUpdatedAt` of the status at the last cut: what it said then is no news
 * @returns what the plan said then, and how the moment is told
 * @throws Error if the plan ended before
 */
export async function untilMoment(
  { phases, isInNextBoot = false, afterMs: [least, most] }: KillMoment,
  on: { readonly request: AppliedRequest; readonly machine: Machine; readonly since?: string | undefined },
  random: () => number,
): Promise<{ readonly status: OSUpgradeProgressStatus; readonly told: string }> {
  const { request, machine, since } = on;
  const boots = machine.boots.length;
  const status = await eventually(
    async () => {
      const status = (await request.progress())?.status;
      if (!status || status.lastUpdatedAt === since) return undefined;
      const phase = status.phase ?? '';
      return (phases.includes(phase) || isTerminalPhase(status.phase ?? 'Pending')) && status;
    },
    { timeoutMs: PATIENCE_MS, everyMs: 50, what: `${request.name} is ${phases.join(' or ')}` },
  );
  if (!phases.includes(status.phase ?? ''))
    throw new Error(`ended ${status.phase} (${status.failureReason}): ${status.message}`);
  if (isInNextBoot) await machine.untilBoot(boots + 1);
  const waitMs = Math.round(least + random() * (most - least));
  await delay(waitMs);
  const told = `${waitMs} ms after ${isInNextBoot ? 'the next boot began' : `${status.phase} was seen`}`;
  return { status, told };
}
