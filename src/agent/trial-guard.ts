import type { SlotFacts } from './ports.ts';

/** Whether a trial boot of a slot falls back although its agent never starts. */
export interface GuardResult {
  readonly isGuarded: boolean;
  /** Why it is not, for the condition `TrialUnguarded`. */
  readonly reason: string;
  readonly message: string;
}

/** Puts into a verified slot what reboots it, unless its trial was confirmed in time. */
export interface TrialGuard {
  /** Called after the slot was verified and before it is marked as staged. It may write to the slot's file system. */
  protect(slot: SlotFacts, trialMs: number): Promise<GuardResult>;
}

/** Puts nothing there, and says so. */
export const noTrialGuard: TrialGuard = {
  protect: async () => ({
    isGuarded: false,
    reason: 'GuardNotInstalled',
    message:
      'a trial boot whose agent never starts is not ended by itself: reboot the node by hand, and it runs the old system',
  }),
};
