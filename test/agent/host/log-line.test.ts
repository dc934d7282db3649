import { expect } from 'chai';
import { type LogInfo, toLogLine } from '../../../src/agent/host/log-line.ts';

const CASES: { name: string; info: LogInfo; want: string }[] = [
  { name: 'a message', info: { level: 'info', message: 'agent starts' }, want: '<6>agent starts' },
  {
    name: 'a reason stands in front, fields behind',
    info: {
      level: 'error',
      message: 'upgrade ended',
      reason: 'InsecureAddress',
      phase: 'Failed',
      attempt: 1,
    },
    want: '<3>InsecureAddress: upgrade ended phase=Failed attempt=1',
  },
  {
    name: 'a text with spaces is quoted',
    info: { level: 'warn', message: 'm', detail: 'the address http://h/i is insecure: use https' },
    want: '<4>m detail="the address http://h/i is insecure: use https"',
  },
  {
    name: 'the time is left to the logger',
    info: { level: 'info', message: 'm', timestamp: 'T' },
    want: '<6>m',
  },
  { name: 'what is not there', info: { level: 'info', message: 'm', slot: undefined }, want: '<6>m' },
  {
    name: 'things',
    info: { level: 'info', message: 'm', list: ['a', 1], nothing: null, yes: true },
    want: '<6>m list=["a",1] nothing=null yes=true',
  },
  { name: 'an empty text', info: { level: 'info', message: 'm', detail: '' }, want: '<6>m detail=""' },
  { name: 'a level of no number', info: { level: 'silly', message: 'm' }, want: '<7>m' },
  {
    name: 'no second line can be smuggled in',
    info: { level: 'info', message: 'a\n<0>kernel: panic', key: 'b\r\nc\u001b[31m' },
    want: '<6>a <0>kernel: panic key="b\\r\\nc\\u001b[31m"',
  },
  {
    name: 'no password',
    info: { level: 'info', message: 'from https://user:pass@h/i', url: 'https://:x@h/j' },
    want: '<6>from https://h/i url=https://h/j',
  },
  {
    name: 'no signed query',
    info: {
      level: 'info',
      message: 'm',
      url: 'https://h/i?X-Signature=abc&d=e',
      text: 'see http://h/i?t=1 there',
    },
    want: '<6>m url="https://h/i" text="see http://h/i there"',
  },
  {
    name: 'no token',
    info: { level: 'info', message: 'm', header: 'Bearer abc.def-g', other: 'Basic dXNlcjpwYXNz==' },
    want: '<6>m header="Bearer …" other="Basic …"',
  },
  {
    name: 'an address that is none keeps its at-sign',
    info: { level: 'info', message: 'image a/b@sha256:1' },
    want: '<6>image a/b@sha256:1',
  },
];

describe('a line for the system logger', () => {
  for (const { name, info, want } of CASES) it(name, () => expect(toLogLine(info)).to.equal(`${want}\n`));

  it('is cut before a logger cuts it', () => {
    const line = toLogLine({ level: 'info', message: 'x'.repeat(10_000) });
    expect(line).to.have.lengthOf(3 + 4_000 + 2);
    expect(line.endsWith('…\n')).to.equal(true);
  });
});
