import { expect } from 'chai';
import { TransientError } from '../../src/domain/errors.ts';
import { createWorkqueue } from '../../src/kube/workqueue.ts';
import { fakeTime, recordLog } from './help.ts';

type Step =
  | { add: string }
  | { addAfter: [string, number] }
  | { advance: number }
  | { finish: string; again?: number }
  | { fail: string }
  | { stop: true };

interface Case {
  name: string;
  concurrency?: number;
  steps: Step[];
  /** Keys in the order in which work on them began, with the time. */
  began: [string, number][];
}

const CASES: Case[] = [
  {
    name: 'works on a key once, however often it was added',
    steps: [{ add: 'a' }, { add: 'a' }, { add: 'a' }, { advance: 0 }, { finish: 'a' }, { advance: 9 }],
    began: [['a', 0]],
  },
  {
    name: 'works again on a key that was added meanwhile, after the first work',
    steps: [{ add: 'a' }, { advance: 5 }, { add: 'a' }, { advance: 5 }, { finish: 'a' }, { advance: 5 }],
    began: [
      ['a', 0],
      ['a', 10],
    ],
  },
  {
    name: 'never lets two workers have one key',
    concurrency: 4,
    steps: [{ add: 'a' }, { advance: 1 }, { add: 'a' }, { add: 'b' }, { advance: 1 }],
    began: [
      ['a', 0],
      ['b', 1],
    ],
  },
  {
    name: 'keeps to the concurrency',
    concurrency: 2,
    steps: [{ add: 'a' }, { add: 'b' }, { add: 'c' }, { advance: 5 }, { finish: 'b' }, { advance: 1 }],
    began: [
      ['a', 0],
      ['b', 0],
      ['c', 5],
    ],
  },
  {
    name: 'lets the earliest of several delays win',
    steps: [
      { addAfter: ['a', 50] },
      { addAfter: ['a', 20] },
      { addAfter: ['a', 80] },
      { advance: 30 },
      { finish: 'a' },
      { advance: 100 },
    ],
    began: [['a', 20]],
  },
  {
    name: 'brings a key back after the delay that its work asked for',
    steps: [{ add: 'a' }, { advance: 0 }, { finish: 'a', again: 40 }, { advance: 100 }],
    began: [
      ['a', 0],
      ['a', 40],
    ],
  },
  {
    name: 'brings a key back after failures, later each time, and forgets them after a success',
    steps: [
      { add: 'a' },
      { advance: 0 },
      { fail: 'a' },
      { advance: 100 },
      { fail: 'a' },
      { advance: 200 },
      { finish: 'a', again: 1 },
      { advance: 1 },
      { fail: 'a' },
      { advance: 100 },
    ],
    began: [
      ['a', 0],
      ['a', 100],
      ['a', 300],
      ['a', 301],
      ['a', 401],
    ],
  },
  {
    name: 'does not let a failing key hold up others',
    steps: [{ add: 'a' }, { add: 'b' }, { advance: 0 }, { fail: 'a' }, { advance: 1 }],
    began: [
      ['a', 0],
      ['b', 0],
    ],
  },
  {
    name: 'begins nothing after the stop',
    steps: [
      { add: 'a' },
      { add: 'b' },
      { addAfter: ['c', 5] },
      { advance: 0 },
      { stop: true },
      { finish: 'a' },
      { advance: 50 },
    ],
    began: [['a', 0]],
  },
];

function start(concurrency: number) {
  const time = fakeTime();
  const { log, lines } = recordLog();
  const queue = createWorkqueue({
    clock: time,
    timer: time,
    log,
    random: () => 1,
    backoff: { baseMs: 100, maxMs: 400 },
  });
  const began: [string, number][] = [];
  const open = new Map<string, PromiseWithResolvers<number | undefined>>();
  const stop = new AbortController();
  let hasEnded = false;
  const work = (key: string) => {
    began.push([key, time.monotonicMs()]);
    const end = Promise.withResolvers<number | undefined>();
    open.set(key, end);
    return end.promise;
  };
  const ended = queue.run(work, concurrency, stop.signal).then(() => {
    hasEnded = true;
  });
  const apply = async (step: Step) => {
    if ('add' in step) queue.add(step.add);
    else if ('addAfter' in step) queue.addAfter(...step.addAfter);
    else if ('finish' in step) open.get(step.finish)?.resolve(step.again);
    else if ('fail' in step) open.get(step.fail)?.reject(new TransientError('Busy', 'try later'));
    else if ('stop' in step) stop.abort();
    // Additions in a row arrive together, as they do from a list.
    if (!('add' in step)) await time.advance('advance' in step ? step.advance : 0);
  };
  return { time, queue, began, open, stop, ended, apply, lines, hasEnded: () => hasEnded };
}

describe('kube/workqueue', () => {
  for (const c of CASES)
    it(c.name, async () => {
      const t = start(c.concurrency ?? 1);
      for (const step of c.steps) await t.apply(step);
      await t.time.advance(0);
      expect(t.began).to.deep.equal(c.began);
    });

  it('ends only when the work at hand is done, and leaves no timer', async () => {
    const t = start(2);
    for (const step of [
      { add: 'a' },
      { advance: 0 },
      { addAfter: ['b', 60_000] },
      { stop: true },
    ] satisfies Step[])
      await t.apply(step);
    expect(t.hasEnded()).to.equal(false);
    await t.apply({ finish: 'a' });
    await t.ended;
    expect(t.time.pending).to.equal(0);
  });

  it('keeps what was added before it runs', async () => {
    const time = fakeTime();
    const queue = createWorkqueue({ clock: time, timer: time, log: recordLog().log, random: () => 0 });
    queue.add('a');
    queue.addAfter('b', 10);
    await time.advance(30);
    const seen: string[] = [];
    const stop = new AbortController();
    const ended = queue.run(async key => void seen.push(key), 1, stop.signal);
    await time.advance(1);
    stop.abort();
    await ended;
    expect(seen).to.deep.equal(['a', 'b']);
  });

  it('logs a failure with its reason and the delay', async () => {
    const t = start(1);
    for (const step of [{ add: 'a' }, { advance: 0 }, { fail: 'a' }] satisfies Step[]) await t.apply(step);
    expect(t.lines).to.have.length(1);
    expect(t.lines[0]).to.include({
      level: 'warn',
      message: 'work failed',
      key: 'a',
      reason: 'Busy',
      retryInMs: 100,
    });
  });
});
