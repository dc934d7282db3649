import type { NodePlan, OSUpgradeProgress, SlotName } from '../../api/monok8s/index.ts';
import type { GuardNote } from '../guard/note.ts';
import type { BootState, SlotFacts, SlotLayout, StagedImage, StageProgress } from '../ports.ts';
import type { StagedMarker, TrialRecord } from './records.ts';

/** What to do for an object: its plan, or why there is none yet, or never. */
export type Resolution =
  | { readonly type: 'plan'; readonly plan: NodePlan; readonly gated: boolean; readonly hold?: Hold }
  | ({ readonly type: 'wait' } & Hold)
  | { readonly type: 'refused'; readonly reason: string; readonly message: string };

/** Something to wait for, in words for the status. */
export interface Hold {
  readonly message: string;
  readonly retryInMs: number;
}

/** The one object that is being worked on. */
export interface Task {
  readonly object: OSUpgradeProgress;
  readonly attempt: number;
  /** The attempt has not been reported yet. */
  readonly isNew: boolean;
  readonly resolution: Resolution;
}

/** The download and installation that runs in this process. */
export type Staging =
  | { readonly type: 'idle' }
  | ({ readonly type: 'running'; readonly key: string; readonly retries: number; readonly note: string } & {
      readonly progress: StageProgress;
    })
  | { readonly type: 'done'; readonly key: string; readonly image: StagedImage }
  | { readonly type: 'failed'; readonly key: string; readonly reason: string; readonly message: string };

/** Both slots and the boot loader, or why they cannot be used. */
export type SlotView =
  | { readonly ok: true; readonly layout: SlotLayout; readonly boot: BootState }
  | { readonly ok: false; readonly reason: string; readonly message: string };

/** Slots and boot loader, once they could be read. */
export type SlotsFound = Extract<SlotView, { ok: true }>;

/** Everything that the agent's next step depends on. */
export interface Snapshot {
  /** All objects of this node, oldest first. */
  readonly objects: readonly OSUpgradeProgress[];
  /** The list of objects has been received from the API server since this process started. */
  readonly isSynced: boolean;
  readonly task?: Task;
  readonly slots: SlotView;
  readonly bootId: string;
  readonly trial?: TrialRecord;
  readonly marker?: StagedMarker;
  /** The slot that the state folder calls the default. */
  readonly notedDefault?: SlotName;
  /** What a trial guard left before it rebooted the node. */
  readonly guardNote?: GuardNote;
  /** This node as the API server last showed it. */
  readonly node?: { readonly ready: boolean; readonly bootId: string };
  readonly staging: Staging;
  /** The last health check of this process. */
  readonly health?: { readonly healthy: boolean; readonly message: string; readonly ageMs: number };
  /** Milliseconds since the machine started. */
  readonly uptimeMs: number;
  /** A reboot was asked for and is expected to happen any moment. */
  readonly isRebooting: boolean;
  readonly settings: {
    readonly versionField: NodePlan['versionField'];
    readonly trialSeconds?: number;
    readonly stallSeconds?: number;
  };
}

/** The slot that is not `slot`. */
export const otherSlot = (slot: SlotName): SlotName => (slot === 'A' ? 'B' : 'A');

/** Facts of the slot that the node does not run from. */
export const inactiveSlot = (layout: SlotLayout): SlotFacts => layout[otherSlot(layout.booted)];

/** The node is Ready, and says so about this boot and not about the one before. */
export const isNodeBack = ({ node, bootId }: Pick<Snapshot, 'node' | 'bootId'>): boolean =>
  node?.ready === true && node.bootId === bootId;

/** A failed health check is repeated after so long, until the trial's time is over. */
export const HEALTH_RETRY_MS = 5_000;

/** The last health check, if it is recent enough to decide on. */
export const freshHealth = ({ health }: Pick<Snapshot, 'health'>): Snapshot['health'] =>
  health && health.ageMs < HEALTH_RETRY_MS ? health : undefined;
