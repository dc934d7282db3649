import type { NodePlan, OSUpgradeProgress, SlotName } from '../../api/monok8s/index.ts';
import type { StagedImage } from '../ports.ts';
import type { Outcome, TrialRecord } from './records.ts';
import type { Task } from './snapshot.ts';
import type { StatusNote } from './status.ts';

/** A note for the status of the attempt that the step belongs to. */
export type Note = Pick<StatusNote, 'phase' | 'message' | 'progress' | 'retryCount'>;

/** The one thing to do next. Data only: `act.ts` does it. */
export type Step =
  /** Nothing to do until something changes. */
  | { readonly type: 'idle' }
  /** Tell what is being waited for, and look again when something changes, or after `retryInMs`. */
  | { readonly type: 'wait'; readonly task?: Task; readonly note?: Note; readonly retryInMs?: number }
  /** A retry of a completed object whose node already runs the version. */
  | { readonly type: 'acknowledgeRetry'; readonly object: OSUpgradeProgress }
  /** Download and install, beside this loop. */
  | {
      readonly type: 'stage';
      readonly task: Task;
      readonly plan: NodePlan;
      readonly slot: SlotName;
      readonly key: string;
    }
  | { readonly type: 'abortStaging' }
  /** Check what lies in the slot and mark it as staged. `image` was just installed, else it was found there. */
  | {
      readonly type: 'verifyStaged';
      readonly task: Task;
      readonly plan: NodePlan;
      readonly slot: SlotName;
      readonly image?: StagedImage;
    }
  /** Record the intent to reboot, in the state folder and then in the status. */
  | { readonly type: 'announceReboot'; readonly object: OSUpgradeProgress; readonly trial: TrialRecord }
  /** Set the one-boot entry, read it back, record that, reboot. */
  | { readonly type: 'armAndReboot'; readonly trial: TrialRecord }
  /** The reboot that was armed did not happen yet. */
  | { readonly type: 'reboot'; readonly reason: string }
  /** Keep in the state folder what the status of a lost record tells. */
  | { readonly type: 'adoptTrial'; readonly trial: TrialRecord }
  /** Remove a one-boot flag; the default entry stays. */
  | { readonly type: 'clearFlag'; readonly defaultSlot: SlotName }
  /** Tell that the trial waits for its node, as well as one can, and look again. */
  | {
      readonly type: 'confirmLater';
      readonly trial: TrialRecord;
      readonly message: string;
      readonly retryInMs: number;
    }
  | { readonly type: 'checkHealth' }
  /** Make the trial slot the default. */
  | { readonly type: 'commit'; readonly trial: TrialRecord }
  /** Reboot into the old slot. */
  | {
      readonly type: 'fallBack';
      readonly trial: TrialRecord;
      readonly reason: string;
      readonly message: string;
    }
  /** The trial is over. */
  | { readonly type: 'endTrial'; readonly trial: TrialRecord; readonly outcome: Outcome }
  /** Tell the API server how the trial ended, and forget it. */
  | {
      readonly type: 'reportTrial';
      readonly trial: TrialRecord;
      readonly outcome: Outcome;
      readonly object?: OSUpgradeProgress;
    }
  /** The object went away before the reboot: nothing is to be tried any more. */
  | { readonly type: 'forgetTrial'; readonly trial: TrialRecord }
  /** Keep in the state folder which slot is the default. */
  | { readonly type: 'noteDefault'; readonly slot: SlotName }
  /** Make the slot that someone booted by hand the default. */
  | { readonly type: 'keepManualBoot'; readonly slot: SlotName }
  /** The attempt is over, and no reboot was tried. */
  | { readonly type: 'finish'; readonly task: Task; readonly outcome: Outcome };

/** There is nothing to do until something changes. */
export const IDLE: Step = { type: 'idle' };
