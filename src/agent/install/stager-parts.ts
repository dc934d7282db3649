import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'winston';
import type { Clock } from '../../domain/clock.ts';
import type { AgentConfig } from '../config.ts';
import type { Slots, StageHooks, StageRequest } from '../ports.ts';
import type { HeldSlot } from '../slots/exclusive.ts';
import type { Timing } from '../transport/patience.ts';
import type { openRegistryImage } from '../transport/registry/registry-image.ts';
import { type FileSystemPlan, planFileSystem } from './archive/file-system-plan.ts';
import type { Install } from './install-options.ts';
import { readPrimarySuperblock } from './superblock-io.ts';

/** What a stager is made of. */
export interface StagerParts {
  readonly slots: Slots;
  readonly config: Pick<
    AgentConfig,
    'hostRoot' | 'certDir' | 'registrySecretFile' | 'registryAuthFiles' | 'registryConfigDirs'
  >;
  readonly log: Logger;
  readonly clock: Clock;
  /** From 0 to 1. */
  random(): number;
  /** Waits; the machine's own timer if absent. */
  readonly delay?: Timing['delay'];
  /** Another engine for the way from the fetched bytes to the slot. */
  readonly install?: Install;
  /** Another way to find an image in its registry. */
  readonly openImage?: typeof openRegistryImage;
}

/** One image that is to be put onto a slot which is held meanwhile. */
export interface Staging {
  readonly parts: StagerParts;
  readonly request: StageRequest;
  readonly hooks: StageHooks;
  readonly held: HeldSlot;
}

/** Time, chance and waiting, for what fetches. */
export const timingOf = (parts: StagerParts): Timing => ({
  clock: parts.clock,
  random: () => parts.random(),
  delay: parts.delay ?? ((ms, until) => sleep(ms, undefined, { signal: until })),
});

/** Plans a file system after that of the slot which runs: a boot loader that reads the one reads the other. */
export async function planLikeRunning(slots: Slots): Promise<FileSystemPlan> {
  const layout = await slots.inspect();
  return planFileSystem(await readPrimarySuperblock(layout[layout.booted].path));
}
