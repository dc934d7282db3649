import { expect } from 'chai';
import { holdBackMs, nextStatus, type StatusNote } from '../../../src/agent/decide/status.ts';
import { OSUpgradeProgressStatus } from '../../../src/api/monok8s/index.ts';

const T0 = Date.UTC(2026, 10, 21, 10, 0, 0);
const note = (phase: StatusNote['phase'], changes: Partial<StatusNote> = {}): StatusNote => ({
  attempt: 1,
  phase,
  currentVersion: 'v1.34.1',
  targetVersion: 'v1.35.1',
  inactivePartition: 'B',
  ...changes,
});

/** Notes of one object, one a second. */
function tell(...notes: StatusNote[]): OSUpgradeProgressStatus | undefined {
  return notes.reduce<OSUpgradeProgressStatus | undefined>(
    (status, next, index) => nextStatus(status, next, T0 + index * 1000) ?? status,
    undefined,
  );
}
const chain = (status: OSUpgradeProgressStatus | undefined) => status?.history?.map(entry => entry.phase);

describe('the status that a note leads to', () => {
  it('has the fields of the document, null where it writes null', () => {
    expect(tell(note('Pending'))).to.deep.equal({
      currentVersion: 'v1.34.1',
      targetVersion: 'v1.35.1',
      phase: 'Pending',
      startedAt: null,
      completedAt: null,
      lastUpdatedAt: '2026-11-21T10:00:00Z',
      retryCount: 0,
      inactivePartition: 'B',
      failureReason: '',
      message: '',
      attempt: 1,
      history: [{ phase: 'Pending', startedAt: '2026-11-21T10:00:00Z', endedAt: null }],
    });
  });

  it('is what the schema allows', () => {
    const status = tell(note('Downloading', { progress: { bytesDone: 1, bytesTotal: 2 } }), note('Failed'));
    expect(OSUpgradeProgressStatus.safeParse(status).success).to.equal(true);
  });

  it('keeps when each phase began and ended', () => {
    expect(tell(note('Downloading'), note('Installing'), note('Completed'))?.history).to.deep.equal([
      { phase: 'Pending', startedAt: '2026-11-21T10:00:00Z', endedAt: '2026-11-21T10:00:00Z' },
      { phase: 'Downloading', startedAt: '2026-11-21T10:00:00Z', endedAt: '2026-11-21T10:00:01Z' },
      { phase: 'Installing', startedAt: '2026-11-21T10:00:01Z', endedAt: '2026-11-21T10:00:02Z' },
      { phase: 'Completed', startedAt: '2026-11-21T10:00:02Z', endedAt: '2026-11-21T10:00:02Z' },
    ]);
  });

  it('tells when the attempt began and ended', () => {
    const status = tell(note('Pending'), note('Downloading'), note('Staged'), note('Failed'));
    expect(status).to.include({ startedAt: '2026-11-21T10:00:01Z', completedAt: '2026-11-21T10:00:03Z' });
  });

  it('says nothing twice', () => {
    expect(nextStatus(tell(note('Staged')), note('Staged'), T0 + 9000)).to.equal(undefined);
  });

  it('forgets the progress of the phase before', () => {
    const downloading = note('Downloading', { progress: { bytesDone: 1, bytesTotal: 2 } });
    expect(tell(downloading)?.progress).to.deep.equal({ bytesDone: 1, bytesTotal: 2 });
    expect(tell(downloading, note('Staged'))).not.to.have.property('progress');
  });

  it('begins anew with an attempt, and keeps the history', () => {
    const failed = note('Failed', { failureReason: 'ChecksumMismatch', message: 'other', retryCount: 3 });
    const status = tell(failed, note('Downloading', { attempt: 2, observedRetryNonce: 'x' }));
    expect(status).to.include({
      attempt: 2,
      retryCount: 0,
      failureReason: '',
      message: '',
      completedAt: null,
    });
    expect(status?.observedRetryNonce).to.equal('x');
    expect(chain(status)).to.deep.equal(['Pending', 'Failed', 'Pending', 'Downloading']);
  });

  it('does not undo what has ended, nor speak of an earlier attempt', () => {
    expect(nextStatus(tell(note('Completed')), note('Confirming'), T0)).to.equal(undefined);
    expect(nextStatus(tell(note('Staged', { attempt: 2 })), note('Failed'), T0)).to.equal(undefined);
  });

  it('never grows without end', () => {
    const notes = Array.from({ length: 100 }, (_, index) => note('Failed', { attempt: index + 1 }));
    expect(chain(tell(...notes))).to.have.length(64);
  });

  it('keeps the time of a condition that stays', () => {
    const condition = { type: 'TrialUnguarded', status: 'True', reason: 'R', message: 'm' } as const;
    const status = tell(
      note('Staged', { condition }),
      note('Draining', { condition: { ...condition, message: 'n' } }),
    );
    expect(status?.conditions).to.deep.equal([
      { ...condition, message: 'n', lastTransitionTime: '2026-11-21T10:00:00Z' },
    ]);
  });
});

describe('how often progress is written', () => {
  const at = (bytesDone: number, phase: StatusNote['phase'] = 'Downloading') =>
    tell(note(phase, { progress: { bytesDone, bytesTotal: 9 } })) ?? {};
  it('not within five seconds', () => expect(holdBackMs(at(1), at(2), 1500)).to.equal(3500));
  it('after five seconds', () => expect(holdBackMs(at(1), at(2), 5000)).to.equal(0));
  it('a phase at once', () => expect(holdBackMs(at(1), at(1, 'Installing'), 0)).to.equal(0));
});
