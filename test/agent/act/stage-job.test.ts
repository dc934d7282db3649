import { expect } from 'chai';
import { createStageJob } from '../../../src/agent/act/stage-job.ts';
import type { StagedImage, StageHooks, Stager } from '../../../src/agent/ports.ts';
import { StalledError, TransientError } from '../../../src/domain/errors.ts';
import { CHECKSUM, slot } from '../build.ts';

const IMAGE: StagedImage = { checksum: CHECKSUM, expandedBytes: 1, superblockHash: 'x' };
const REQUEST = { image: { checksum: CHECKSUM }, slot: slot('B', undefined), stallMs: 10_000 };

/** A job whose waits end at once, each taking a second of the clock. */
function jobWith(stage: (hooks: StageHooks, round: number) => Promise<StagedImage>) {
  let nowMs = 0;
  let round = 0;
  let over = (): void => {};
  const ended = new Promise<void>(resolve => {
    over = resolve;
  });
  const stager: Stager = {
    stage: (_request, hooks) => {
      round += 1;
      return stage(hooks, round);
    },
  };
  const job = createStageJob({
    stager,
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    random: () => 0,
    onChange: () => {
      if (job.view().type === 'done' || job.view().type === 'failed') over();
    },
    timer: {
      after: (delayMs, run) => {
        nowMs += delayMs;
        const handle = setImmediate(run);
        return () => clearImmediate(handle);
      },
    },
  });
  return { job, ended };
}

describe('the installation beside the loop', () => {
  it('ends with the image', async () => {
    const { job, ended } = jobWith(async () => IMAGE);
    job.start('k', REQUEST);
    await ended;
    expect(job.view()).to.deep.equal({ type: 'done', key: 'k', image: IMAGE });
  });

  it('shows how far it is, and what was tried again', async () => {
    const { job } = jobWith(hooks => {
      hooks.onProgress({ phase: 'Downloading', bytesDone: 3, bytesTotal: 9 });
      hooks.onRetry('ConnectionLost', 'reset by peer');
      return new Promise(() => undefined);
    });
    job.start('k', REQUEST);
    expect(job.view()).to.deep.equal({
      type: 'running',
      key: 'k',
      retries: 1,
      note: 'trying again after ConnectionLost: reset by peer',
      progress: { phase: 'Downloading', bytesDone: 3, bytesTotal: 9 },
    });
  });

  it('ends at once with what no retry can help', async () => {
    const { job, ended } = jobWith(() => Promise.reject(new StalledError('ChecksumMismatch', 'other')));
    job.start('k', REQUEST);
    await ended;
    expect(job.view()).to.deep.equal({
      type: 'failed',
      key: 'k',
      reason: 'ChecksumMismatch',
      message: 'other',
    });
  });

  it('tries again what may pass', async () => {
    const { job, ended } = jobWith(async (_hooks, round) => {
      if (round < 3) throw new TransientError('DiskBusy', 'busy');
      return IMAGE;
    });
    job.start('k', REQUEST);
    await ended;
    expect(job.view().type).to.equal('done');
  });

  it('gives up when no byte came for too long', async () => {
    const { job, ended } = jobWith(() => Promise.reject(new TransientError('DiskBusy', 'busy')));
    job.start('k', REQUEST);
    await ended;
    expect(job.view()).to.include({ type: 'failed', reason: 'DiskBusy' });
  });

  it('has stopped when the abort is over', async () => {
    let isStopped = false;
    const { job } = jobWith(
      ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () =>
            setImmediate(() => {
              isStopped = true;
              reject(signal.reason);
            }),
          );
        }),
    );
    job.start('k', REQUEST);
    await job.abort();
    expect(isStopped).to.equal(true);
    expect(job.view()).to.deep.equal({ type: 'idle' });
  });
});
