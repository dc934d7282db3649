import { expect } from 'chai';
import { OSSpec } from '../../src/api/openeuler/index.ts';
import { holdOf } from '../../src/domain/hold.ts';
import { steeringOf } from '../../src/domain/os-steering.ts';

const steering = (spec: object) =>
  steeringOf(OSSpec.parse({ osversion: 'x', opstype: 'upgrade', maxunavailable: 1, ...spec }));
const window = (starttime: string, endtime: string) => ({ timewindow: { starttime, endtime } });
const fields = {
  nodeSelector: '',
  maxUnavailable: '',
  timeWindow: 'spec.timewindow',
  targetVersion: '',
  forcesEviction: { unmanaged: '', localData: '' },
};

describe('steeringOf', () => {
  it('without any of the fields: parallel, 15 s, always', () =>
    expect(steering({})).to.deep.equal({
      timeWindow: undefined,
      pace: { isSerial: false, intervalMs: 15_000 },
      mistake: undefined,
    }));

  it('with all of them', () =>
    expect(
      steering({ executionmode: 'serial', timeinterval: 60, ...window('23:00:00', '05:00:00') }),
    ).to.deep.equal({
      timeWindow: { startTime: '23:00:00', endTime: '05:00:00' },
      pace: { isSerial: true, intervalMs: 60_000 },
      mistake: undefined,
    }));

  const right: Record<string, object> = {
    'no interval': { timeinterval: 0 },
    'a year between batches': { timeinterval: 31_536_000 },
    'both ends empty': window('', ''),
    'a day that there is only sometimes': window('2028-02-29 00:00:00', '2028-03-01 00:00:00'),
  };
  for (const [name, spec] of Object.entries(right))
    it(`accepts ${name}`, () => expect(steering(spec).mistake).to.equal(undefined));

  const wrong: [string, object, string, RegExp][] = [
    ['the end left out', window('01:00:00', ''), 'TimeWindowInvalid', /endtime is ""/],
    ['the start left out', window('', '01:00:00'), 'TimeWindowInvalid', /starttime is ""/],
    ['two forms', window('2026-01-05 01:00:00', '02:00:00'), 'TimeWindowInvalid', /the same form/],
    ['no length', window('01:00:00', '01:00:00'), 'TimeWindowInvalid', /must differ/],
    [
      'dates the wrong way round',
      window('2026-01-05 01:00:00', '2026-01-04 01:00:00'),
      'TimeWindowInvalid',
      /after/,
    ],
    [
      'no such day',
      window('2026-02-29 01:00:00', '2026-03-01 01:00:00'),
      'TimeWindowInvalid',
      /no day 2026-02-29/,
    ],
    [
      'no such month',
      window('2026-13-01 01:00:00', '2027-01-01 01:00:00'),
      'TimeWindowInvalid',
      /starttime is/,
    ],
    ['no such hour', window('24:00:00', '01:00:00'), 'TimeWindowInvalid', /HH:MM:SS/],
    ['no seconds', window('01:00', '02:00'), 'TimeWindowInvalid', /HH:MM:SS/],
    [
      'a zone, which there is no place for',
      window('01:00:00Z', '02:00:00Z'),
      'TimeWindowInvalid',
      /HH:MM:SS/,
    ],
    ['a blank before', window(' 01:00:00', '02:00:00'), 'TimeWindowInvalid', /starttime/],
    ['less than no interval', { timeinterval: -1 }, 'TimeIntervalInvalid', /spec\.timeinterval is -1/],
    ['more than a year', { timeinterval: 31_536_001 }, 'TimeIntervalInvalid', /0 to 31536000/],
  ];
  for (const [name, spec, reason, message] of wrong)
    it(`tells of ${name}`, () => {
      const { mistake, timeWindow } = steering(spec);
      expect(mistake?.reason).to.equal(reason);
      expect(mistake?.message).to.match(message);
      expect(timeWindow).to.equal(undefined);
    });
});

describe('holdOf', () => {
  const at = (text: string, spec: object) =>
    holdOf({ ...steering(spec), isPaused: false, fields }, Date.parse(text), 'Europe/Berlin');

  it("counts in the controller's zone, and says so", () => {
    const night = window('23:00:00', '05:00:00');
    expect(at('2026-01-05T22:00:00Z', night)).to.deep.equal({
      changesAtMs: Date.parse('2026-01-06T04:00:00Z'),
    });
    expect(at('2026-01-05T21:59:59Z', night).refusal?.message).to.equal(
      'the time window opens at 2026-01-05T22:00:00Z (23:00:00 to 05:00:00 in the time zone Europe/Berlin)',
    );
  });

  it('keeps its hours when the clocks are set forward and back', () => {
    const night = window('23:00:00', '05:00:00');
    expect(at('2026-03-28T23:00:00Z', night).changesAtMs).to.equal(Date.parse('2026-03-29T03:00:00Z'));
    expect(at('2026-10-24T22:00:00Z', night).changesAtMs).to.equal(Date.parse('2026-10-25T04:00:00Z'));
  });

  it('a window that lies in the hour that is left out never opens, and that is nobody’s mistake', () => {
    const gap = window('2026-03-29 02:10:00', '2026-03-29 02:50:00');
    expect(at('2026-03-28T12:00:00Z', gap).refusal?.reason).to.equal('WindowClosed');
    expect(at('2026-03-29T12:00:00Z', gap).refusal?.message).to.match(/is over: change spec\.timewindow/);
  });

  it('a mistake holds, whatever the time', () =>
    expect(at('2026-01-05T12:00:00Z', window('01:00:00', '')).refusal?.reason).to.equal('TimeWindowInvalid'));
});
