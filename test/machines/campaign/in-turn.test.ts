import { expect } from 'chai';
import { inTurn } from './in-turn.ts';

const tick = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

describe('the cases of a campaign', () => {
  it('run one after the other, and idle neighbours side by side', async () => {
    const items = ['one', 'two', 'idle-1', 'idle-2', 'three', 'idle-3'].map(name => ({
      name,
      isIdle: name.startsWith('idle'),
    }));
    const running = new Set<string>();
    const seen: string[] = [];
    await inTurn(items, async ({ name }) => {
      running.add(name);
      await tick();
      seen.push([...running].join('+'));
      await tick();
      running.delete(name);
    });
    expect(seen).to.deep.equal(['one', 'two', 'idle-1+idle-2', 'idle-1+idle-2', 'three', 'idle-3']);
  });

  it('are not all idle at the same time', async () => {
    let [running, most, ended] = [0, 0, 0];
    await inTurn(new Array(20).fill({ isIdle: true }), async () => {
      running += 1;
      most = Math.max(most, running);
      await tick();
      running -= 1;
      ended += 1;
    });
    expect(ended).to.equal(20);
    expect(most).to.be.within(2, 5);
  });
});
