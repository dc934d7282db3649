import type { Logger } from 'winston';
import type { StagedImage, StageProgress, StageRequest } from '../ports.ts';
import type { HeldSlot } from '../slots/exclusive.ts';
import type { FileSystemPlan } from './archive/file-system-plan.ts';

/** One pass over one image. */
export interface InstallOptions {
  readonly request: StageRequest;
  readonly held: HeldSlot;
  /** `sha256:<hex>` that the fetched file must have; undefined where a person put it there without one. */
  readonly checksum: string | undefined;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** What a file system shall be like that is made on the slot. */
  planFileSystem(): Promise<FileSystemPlan>;
  /** Bytes of the fetched file, 0 while unknown. */
  fetchedTotal(): number;
  onProgress(progress: StageProgress): void;
}

/** Puts an image onto a slot. Another engine with the same contract may come in its place. */
export type Install = (source: AsyncIterator<Buffer>, options: InstallOptions) => Promise<StagedImage>;
