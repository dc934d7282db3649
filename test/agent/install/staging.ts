import { copyFile, mkdir, mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentConfig } from '../../../src/agent/config.ts';
import { createStager } from '../../../src/agent/install/stager.ts';
import type { StagerParts } from '../../../src/agent/install/stager-parts.ts';
import type { Slots, StagedImage, StageProgress } from '../../../src/agent/ports.ts';
import { createSlots } from '../../../src/agent/slots/slots.ts';
import type { PlanImage } from '../../../src/api/monok8s/index.ts';
import { systemClock } from '../../../src/domain/clock.ts';
import { reasonOf } from '../../../src/domain/errors.ts';
import { recordingLog } from '../host/recording-log.ts';

/** A host with two slot files, of which A runs and both hold the same old system. */
export class StagingHost {
  readonly root: string;
  readonly slots: Slots;
  readonly config: AgentConfig;
  readonly log = recordingLog();
  readonly progress: StageProgress[] = [];
  readonly retries: string[] = [];
  readonly abort = new AbortController();
  parts: Partial<StagerParts> = {};
  stallMs = 60_000;
  /** Called once, when everything has been written and nothing has been read back. */
  whenInstalling: (() => void) | undefined;

  constructor(root: string) {
    this.root = root;
    this.config = AgentConfig.parse({ hostRoot: root, slots: { A: '/a.img', B: '/b.img' } });
    this.slots = createSlots(this.config, this.log.log);
  }

  /** Installs `system` (path of a file system) in both slots of `slotBytes` each. */
  static async make(system: string, slotBytes: number): Promise<StagingHost> {
    const root = await mkdtemp(join(tmpdir(), 'staging-'));
    for (const slot of ['a.img', 'b.img']) {
      await copyFile(system, join(root, slot));
      await truncate(join(root, slot), slotBytes);
    }
    await mkdir(join(root, 'proc'));
    await mkdir(join(root, 'etc/KubeOS/certs'), { recursive: true });
    await writeFile(join(root, 'proc/cmdline'), 'root=LABEL=ROOT-A\n');
    return new StagingHost(root);
  }

  get slotB(): string {
    return join(this.root, 'b.img');
  }

  remove(): Promise<void> {
    return rm(this.root, { recursive: true });
  }

  async stage(image: PlanImage): Promise<StagedImage> {
    const { slots, config, parts } = this;
    const stager = createStager({
      slots,
      config,
      log: this.log.log,
      clock: systemClock,
      random: () => 0,
      ...parts,
    });
    const { B } = await slots.inspect();
    return stager.stage(
      { image, slot: B, stallMs: this.stallMs },
      {
        signal: this.abort.signal,
        onProgress: progress => {
          this.progress.push(progress);
          if (progress.phase !== 'Installing') return;
          this.whenInstalling?.();
          this.whenInstalling = undefined;
        },
        onRetry: reason => this.retries.push(reason),
      },
    );
  }

  /** The reason and the message with which staging an image ends. */
  async refusal(image: PlanImage): Promise<{ reason: string; message: string }> {
    return this.stage(image).then(
      () => ({ reason: 'nothing', message: '' }),
      (error: Error) => ({ reason: reasonOf(error), message: error.message }),
    );
  }

  /** The first bytes of slot B, all of which are zero while its superblock is destroyed. */
  async headOfB(): Promise<Buffer> {
    const handle = await open(this.slotB, 'r');
    try {
      return (await handle.read(Buffer.alloc(4096), 0, 4096, 0)).buffer;
    } finally {
      await handle.close();
    }
  }

  /** Lets waiting take no time: the clock jumps instead. */
  skipWaiting(): void {
    let jumpedMs = 0;
    this.parts = {
      clock: { nowMs: systemClock.nowMs, monotonicMs: () => systemClock.monotonicMs() + jumpedMs },
      delay: async ms => {
        jumpedMs += ms;
      },
    };
  }
}
