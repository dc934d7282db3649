import { z } from 'zod';
import { NodePlan, SlotName } from '../../api/monok8s/index.ts';

/** How an attempt ended, kept until the API server has been told. */
export const Outcome = z.object({
  phase: z.enum(['Completed', 'Failed', 'RolledBack']),
  reason: z.string(),
  message: z.string(),
});
export type Outcome = z.infer<typeof Outcome>;

/** A reboot into the other slot: what was intended, and how far it got. Written before each thing that it tells. */
export const TrialRecord = z.object({
  progress: z.object({ name: z.string(), uid: z.string() }),
  attempt: z.int().min(1),
  /**
   * `Rebooting`: about to try, or trying. `Committing`: confirmed, about to become the default. `FallingBack`: given
   * up, about to reboot into the old slot. `Ended`: over, `outcome` is to be reported.
   */
  phase: z.enum(['Rebooting', 'Committing', 'FallingBack', 'Ended']),
  targetSlot: SlotName,
  fromSlot: SlotName,
  targetVersion: z.string(),
  versionField: z.enum(['VERSION_ID', 'PRETTY_NAME']),
  /** The version is compared to the letter; else as a version number. */
  exactVersion: z.boolean().optional(),
  trialSeconds: z.int().min(1),
  /** A controller's gate decides when to reboot; false for an object made by hand. */
  gated: z.boolean(),
  /** The boot in which the trial was armed: while it lasts, nothing was tried. */
  bootId: z.string(),
  /** In how many boots the trial was armed. */
  armCount: z.int().min(1),
  /** The boot loader's environment was read back with the one-boot flag in it. */
  armed: z.boolean(),
  fallback: z.object({ bootId: z.string(), count: z.int().min(1) }).optional(),
  outcome: Outcome.optional(),
});
export type TrialRecord = z.infer<typeof TrialRecord>;

/** A verified image on the slot that is not running. */
export const StagedMarker = z.object({
  uid: z.string(),
  attempt: z.int().min(1),
  slot: SlotName,
  /**
   * The digest that the plan fixed, else the one that was fetched (`sha256:<hex>`); empty for a slot that was found as
   * it is (rollback).
   */
  checksum: z.string(),
  /** Where the image came from, without secrets. Absent for a rollback, and in markers of older agents. */
  source: z.string().optional(),
  superblockHash: z.string(),
  version: z.string(),
});
export type StagedMarker = z.infer<typeof StagedMarker>;

/** What an object made by hand was resolved to, so that a restart resolves nothing anew. */
export const PinnedPlan = z.object({ uid: z.string(), attempt: z.int().min(1), plan: NodePlan });
export type PinnedPlan = z.infer<typeof PinnedPlan>;
