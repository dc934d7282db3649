import { expect } from 'chai';
import { reasonOf } from '../../src/domain/errors.ts';
import { isWindowOpen } from '../../src/domain/time-window.ts';

const at = (text: string): number => Date.parse(text);

describe('isWindowOpen', () => {
  const night = { startTime: '22:00:00', endTime: '04:00:00' };
  const noon = { startTime: '12:00:00', endTime: '13:00:00' };
  const berlin = { ...night, timeZone: 'Europe/Berlin' };
  const once = { startTime: '2026-03-01 10:00:00', endTime: '2026-03-02 10:00:00' };
  const early = { startTime: '02:30:00', endTime: '03:30:00', timeZone: 'Europe/Berlin' };
  const cases = [
    {
      name: 'before noon',
      window: noon,
      now: '2026-01-05T11:59:59Z',
      open: false,
      changes: '2026-01-05T12:00:00Z',
    },
    {
      name: 'at its start',
      window: noon,
      now: '2026-01-05T12:00:00Z',
      open: true,
      changes: '2026-01-05T13:00:00Z',
    },
    {
      name: 'at its end',
      window: noon,
      now: '2026-01-05T13:00:00Z',
      open: false,
      changes: '2026-01-06T12:00:00Z',
    },
    {
      name: 'night, evening',
      window: night,
      now: '2026-01-05T23:00:00Z',
      open: true,
      changes: '2026-01-06T04:00:00Z',
    },
    {
      name: 'night, morning',
      window: night,
      now: '2026-01-05T03:00:00Z',
      open: true,
      changes: '2026-01-05T04:00:00Z',
    },
    {
      name: 'night, day',
      window: night,
      now: '2026-01-05T05:00:00Z',
      open: false,
      changes: '2026-01-05T22:00:00Z',
    },
    {
      name: 'zone, closed',
      window: berlin,
      now: '2026-01-05T20:59:59Z',
      open: false,
      changes: '2026-01-05T21:00:00Z',
    },
    {
      name: 'zone, in summer',
      window: berlin,
      now: '2026-07-05T20:00:00Z',
      open: true,
      changes: '2026-07-06T02:00:00Z',
    },
    {
      name: 'night of 23 hours',
      window: berlin,
      now: '2026-03-28T23:00:00Z',
      open: true,
      changes: '2026-03-29T02:00:00Z',
    },
    {
      name: 'start that the clocks skip',
      window: early,
      now: '2026-03-29T00:00:00Z',
      open: false,
      changes: '2026-03-29T01:00:00Z',
    },
    {
      name: 'hour that comes twice',
      window: early,
      now: '2026-10-25T00:30:00Z',
      open: true,
      changes: '2026-10-25T02:30:00Z',
    },
    {
      name: 'once, before',
      window: once,
      now: '2026-02-01T00:00:00Z',
      open: false,
      changes: '2026-03-01T10:00:00Z',
    },
    {
      name: 'once, within',
      window: once,
      now: '2026-03-01T10:00:00Z',
      open: true,
      changes: '2026-03-02T10:00:00Z',
    },
    { name: 'once, over', window: once, now: '2026-03-02T10:00:00Z', open: false },
  ];
  for (const { name, window, now, open, changes } of cases) {
    it(name, () => {
      const want = changes === undefined ? { open } : { open, changesAtMs: at(changes) };
      expect(isWindowOpen(window, at(now), 'UTC')).to.deep.equal(want);
    });
  }

  it('no window is always open', () => {
    expect(isWindowOpen(undefined, 0, 'UTC')).to.deep.equal({ open: true });
  });

  const refusals = [
    { name: 'zone', window: { ...noon, timeZone: 'Mars/Olympus' }, reason: 'TimeZoneInvalid' },
    {
      name: 'end before start',
      window: { startTime: once.endTime, endTime: once.startTime },
      reason: 'TimeWindowInvalid',
    },
    {
      name: 'no such day',
      window: { startTime: '2026-02-30 10:00:00', endTime: once.endTime },
      reason: 'TimeWindowInvalid',
    },
  ];
  for (const { name, window, reason } of refusals) {
    it(`refuses: ${name}`, () => {
      let caught: unknown;
      try {
        isWindowOpen(window, 0, 'UTC');
      } catch (error) {
        caught = error;
      }
      expect(reasonOf(caught)).to.equal(reason);
    });
  }
});
