import type { SlotName } from '../api/monok8s/index.ts';
import type { PlanImage } from '../api/monok8s/osupgradeprogress.ts';

/** What `/etc/os-release` of a system says. Empty strings for what it does not say. */
export interface OsRelease {
  readonly versionId: string;
  readonly prettyName: string;
}

/** One slot as it lies on the disk. */
export interface SlotFacts {
  readonly name: SlotName;
  /** Path of the block device or file, as this process opens it. */
  readonly path: string;
  readonly sizeBytes: number;
  /** SHA-256 of the primary superblock, hex; it changes whenever someone makes or tunes a file system there. */
  readonly superblockHash: string;
  /** Absent if the slot holds no readable system. */
  readonly osRelease?: OsRelease;
}

/** The two slots and which of them the node runs from. */
export interface SlotLayout {
  readonly booted: SlotName;
  readonly A: SlotFacts;
  readonly B: SlotFacts;
}

/** Finds the two slots. */
export interface Slots {
  /** @throws StalledError `SlotCountUnsupported`, `SlotNotFound`, `BootedSlotUnknown` */
  inspect(): Promise<SlotLayout>;
  /**
   * Proves that `slot` may be overwritten: not running, not mounted, on a configured or the root's disk.
   * @throws StalledError `SlotRunning`, `SlotMounted`, `SlotForeignDisk`
   */
  assertWritable(slot: SlotName): Promise<void>;
  /** Tells what a slot's file system lacks of `files` (absolute paths inside it). */
  missingFiles(slot: SlotName, files: readonly string[]): Promise<string[]>;
  /** Makes a slot unbootable and unfindable: its primary superblock is destroyed and flushed. */
  destroySuperblock(slot: SlotName): Promise<void>;
}

/** What the boot loader will do at the next boots. */
export interface BootState {
  /** The slot that starts unless told otherwise once. */
  readonly defaultSlot: SlotName;
  /** The slot that the next boot alone will try, if one is armed. */
  readonly trialSlot?: SlotName;
}

/** A file or folder of the host, and how to find it where nothing is mounted and disks may have other names. */
export interface OnDisk {
  /** The host's path, which leads to it while the file system is mounted at `mountPoint`. */
  readonly path: string;
  readonly mountPoint: string;
  readonly fsType: string;
  /** Its path from the top of the file system. */
  readonly inside: string;
  /** Absent where the file system lies on no block device (an overlay, a network share). */
  readonly device?: {
    /** UUID of the partition, if it has one and the host shows it. */
    readonly partUuid?: string;
    /** UUID of the file system, if the host shows it. */
    readonly uuid?: string;
    /** Which partition it is of `disk`; absent for what is no partition. */
    readonly partition?: number;
    /** The disk's folder in sysfs, valid for this boot. */
    readonly disk?: string;
  };
}

/**
 * How something that runs in a slot, without the agent and maybe without anything else, can tell that the slot is the
 * default. What cannot be read there counts as not known.
 */
export type DefaultCheck =
  | {
      readonly type: 'grub';
      readonly environment: OnDisk;
      /** The slot is the default if `saved_entry` is one of these. */
      readonly values: readonly string[];
      /** It also is if `saved_entry` is empty or absent. */
      readonly isFirst: boolean;
    }
  | {
      readonly type: 'u-boot';
      /** The slot is the default if `fw_printenv -n` of this variable prints one of `values`. */
      readonly variable: string;
      readonly values: readonly string[];
      /** Path of the fw_env.config inside the slot's system; that program's own default if absent. */
      readonly config?: string;
    };

/** The boot loader's environment. Every write is flushed and read back before the call returns. */
export interface BootLoader {
  readonly name: string;
  /** @throws StalledError `BootEnvironmentInvalid` */
  read(): Promise<BootState>;
  /** @throws StalledError `TrialBootUnsupported` with what the boot loader lacks */
  assertTrialSupported(): Promise<void>;
  /** @throws StalledError `BootLineUnsupported` where the slot's entry would not find a file system that is new there */
  assertFindsNewSystem(slot: SlotName): Promise<void>;
  /** Boots `slot` once, and `fallback` if its entry cannot be loaded. The default stays. */
  armTrial(slot: SlotName, fallback: SlotName): Promise<void>;
  /** Removes a one-boot flag that was not used; the running slot becomes the default. */
  settle(runningSlot: SlotName): Promise<void>;
  /** Absolute paths, inside the slot, of the kernel and the initrd that the slot's entry loads. */
  bootFiles(slot: SlotName): Promise<string[]>;
  /** How the slot's own system can tell that it is the default. @throws StalledError `BootEnvironmentInvalid` */
  describeDefault(slot: SlotName): Promise<DefaultCheck>;
}

/** The machine that the agent serves. */
export interface Host {
  bootId(): Promise<string>;
  /** Asks the host's init to reboot; the process is expected to end soon after. */
  reboot(): Promise<void>;
  /** Runs the configured health command; healthy if there is none. */
  checkHealth(signal: AbortSignal): Promise<{ healthy: boolean; message: string }>;
}

/** How far a download and installation is. */
export interface StageProgress {
  readonly phase: 'Downloading' | 'Installing';
  readonly bytesDone: number;
  /** 0 while it is not known. */
  readonly bytesTotal: number;
}

/** What to put into which slot. */
export interface StageRequest {
  readonly image: PlanImage;
  readonly slot: SlotFacts;
  readonly stallMs: number;
}

/** A verified image on a slot. */
export interface StagedImage {
  /** `sha256:<hex>` of the file that was fetched. */
  readonly checksum: string;
  readonly expandedBytes: number;
  readonly superblockHash: string;
}

/** Hooks into a running installation. */
export interface StageHooks {
  readonly signal: AbortSignal;
  onProgress(progress: StageProgress): void;
  /** A transient failure that is going to be retried. */
  onRetry(reason: string, message: string): void;
}

/**
 * The one write path: fetches an image, expands it, writes it to a slot and reads it back. The slot's superblock is
 * destroyed before the first byte and written last, so that a half-written slot is found by nothing.
 */
export interface Stager {
  /**
   * @throws StalledError `InsecureAddress`, `AddressUnsupported`, `CertificateInvalid`, `ChecksumMismatch`,
   *   `SizeMismatch`, `ImageTooLarge`, `ImageInvalid`, `NotFound`, `DownloadStalled`, `ReadBackMismatch`,
   *   `SlotWriteFailed`
   */
  stage(request: StageRequest, hooks: StageHooks): Promise<StagedImage>;
}
