import { expect } from 'chai';
import {
  isSameFile,
  partStart,
  rangeHeaders,
  retryAfterMs,
  validatorsOf,
} from '../../../src/agent/transport/validators.ts';

describe('validators', () => {
  it('reads them from a whole answer and from a part', () => {
    const common = { etag: '"1"', 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' };
    const want = { etag: '"1"', lastModified: 'Mon, 01 Jan 2024 00:00:00 GMT', total: 1000 };
    expect(validatorsOf(200, { ...common, 'content-length': '1000' })).to.deep.equal(want);
    const part = { ...common, 'content-length': '10', 'content-range': 'bytes 990-999/1000' };
    expect(validatorsOf(206, part)).to.deep.equal(want);
    expect(partStart(part)).to.equal(990);
    expect(validatorsOf(206, { 'content-range': 'bytes 1-2/*' })).to.deep.equal({});
  });

  for (const { what, first, now, want } of [
    { what: 'equal tags', first: { etag: '"1"', total: 5 }, now: { etag: '"1"', total: 5 }, want: true },
    { what: 'other tags', first: { etag: '"1"' }, now: { etag: '"2"' }, want: false },
    { what: 'a tag that is gone', first: { etag: '"1"' }, now: {}, want: false },
    {
      what: 'equal tags, other lengths',
      first: { etag: '"1"', total: 5 },
      now: { etag: '"1"', total: 6 },
      want: false,
    },
    { what: 'equal weak tags', first: { etag: 'W/"1"' }, now: { etag: 'W/"1"' }, want: true },
    { what: 'equal dates', first: { lastModified: 'x' }, now: { lastModified: 'x' }, want: true },
    { what: 'other dates', first: { lastModified: 'x' }, now: { lastModified: 'y' }, want: false },
    { what: 'nothing but the same length', first: { total: 5 }, now: { total: 5 }, want: true },
  ]) {
    it(`${want ? 'same' : 'another'} file: ${what}`, () => expect(isSameFile(first, now)).to.equal(want));
  }

  for (const { what, offset, validators, want } of [
    { what: 'the beginning', offset: 0, validators: { etag: '"1"' }, want: {} },
    {
      what: 'a strong tag',
      offset: 7,
      validators: { etag: '"1"', lastModified: 'd' },
      want: { range: 'bytes=7-', 'if-range': '"1"' },
    },
    {
      what: 'a weak tag and a date',
      offset: 7,
      validators: { etag: 'W/"1"', lastModified: 'd' },
      want: { range: 'bytes=7-', 'if-range': 'd' },
    },
    { what: 'nothing', offset: 7, validators: {}, want: { range: 'bytes=7-' } },
  ]) {
    it(`asks for the rest by ${what}`, () => expect(rangeHeaders(offset, validators)).to.deep.equal(want));
  }

  it('leaves a server alone as long as it asks, a minute at most', () => {
    const asked = ['3', '9999', 'Fri, 31 Dec 1999 23:59:59 GMT', '-4'].map(value =>
      retryAfterMs({ 'retry-after': value }),
    );
    expect([...asked, retryAfterMs({})]).to.deep.equal([3000, 60_000, 0, 0, 0]);
  });
});
