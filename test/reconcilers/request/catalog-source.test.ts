import { expect } from 'chai';
import { StalledError, TransientError } from '../../../src/domain/errors.ts';
import type { KubeClient } from '../../../src/kube/types.ts';
import { createCatalogSource } from '../../../src/reconcilers/request/catalog-source.ts';
import { catalogOf } from '../fleet-fixture.ts';
import { request } from '../objects.ts';

const unused = (): never => {
  throw new Error('no ConfigMap is read here');
};
const client: KubeClient = new Proxy<KubeClient>(Object.create(null), { get: unused });

/** A source of a catalog behind an address, whose timers run when a test says so. */
function setUp(answers: (() => string)[]) {
  const timers: { readonly delayMs: number; run(): void }[] = [];
  let onLook = (): void => undefined;
  const source = createCatalogSource({
    client,
    namespace: 'mono-system',
    fetch: async () => (answers.shift() ?? unused)(),
    lookAgain: () => onLook(),
    random: () => 1,
    signal: new AbortController().signal,
    timer: {
      after: (delayMs, run) => {
        timers.push({ delayMs, run });
        return () => undefined;
      },
    },
  });
  return {
    source,
    timers,
    /** Resolves when something new is known. */
    looked: () =>
      new Promise<void>(resolve => {
        onLook = resolve;
      }),
  };
}

const subject = request('up', { catalog: { url: 'https://example.invalid/images.yaml' } });
const wrong = (): string => 'images: {}';
const right = (): string => catalogOf('v1.35.1');

describe('a catalog elsewhere', () => {
  it('that is wrong is read again slowly, and says so', async () => {
    const { source, timers, looked } = setUp([wrong, right]);
    const first = looked();
    expect(source.answer(subject)).to.deep.equal({ state: 'reading' });
    await first;
    const answer = source.answer(subject);
    expect(answer).to.include({ state: 'refused', reason: 'CatalogMalformed' });
    expect('message' in answer && answer.message).to.match(/read again every 2 minutes$/);
    expect(timers.map(({ delayMs }) => delayMs)).to.deep.equal([120_000]);
    const due = looked();
    timers[0]?.run();
    await due;
    const second = looked();
    expect(source.answer(subject), 'until more is known').to.deep.equal(answer);
    await second;
    expect(source.answer(subject)).to.include({ state: 'resolved' });
    expect(timers, 'it is known now').to.have.length(1);
  });

  it('is read at once when a person changes anything about the request', async () => {
    const { source, looked } = setUp([wrong, right]);
    const first = looked();
    source.answer(subject);
    await first;
    const changed = { ...subject, metadata: { ...subject.metadata, generation: 2 } };
    const second = looked();
    source.answer(changed);
    await second;
    expect(source.answer(changed)).to.include({ state: 'resolved' });
  });

  it('that cannot be read is tried again soon, then later', async () => {
    const fail = (): never => {
      throw new TransientError('CatalogUnreachable', 'x');
    };
    const { source, timers, looked } = setUp([fail, fail]);
    for (const delayMs of [2000, 4000]) {
      const known = looked();
      source.answer(subject);
      await known;
      expect(source.answer(subject)).to.include({ state: 'unreadable', message: 'spec.catalog.url: x' });
      expect(timers.at(-1)?.delayMs).to.equal(delayMs);
      const due = looked();
      timers.at(-1)?.run();
      await due;
    }
  });

  it('is not asked for twice at once', async () => {
    const { source, looked } = setUp([
      () => {
        throw new StalledError('InsecureAddress', 'x');
      },
    ]);
    const known = looked();
    for (let calls = 0; calls < 3; calls++) source.answer(subject);
    await known;
    const message = 'spec.catalog.url: x. The catalog is read again every 2 minutes';
    expect(source.answer(subject)).to.deep.equal({ state: 'refused', reason: 'InsecureAddress', message });
  });
});
