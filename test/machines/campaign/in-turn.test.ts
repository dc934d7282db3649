import { expect } from 'chai';
import { inTurn } from './in-turn.ts';

const tick = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

describe('the cases of a campaign', () => {
  it('run side by side, and then those that need the world alone, one after the other', async () => {
    const items = ['alone-1', 'one', 'two', 'alone-2'].map(name => ({
      name,
      isAlone: name.startsWith('alone'),
    }));
    const running = new Set<string>();
    const seen: string[] = [];
    await inTurn(items, 2, async ({ name }) => {
      running.add(name);
      await tick();
      seen.push([...running].join('+'));
      await tick();
      running.delete(name);
    });
    expect(seen).to.deep.equal(['one+two', 'one+two', 'alone-1', 'alone-2']);
  });

  it('are not all under way at the same time', async () => {
    let [running, most, ended] = [0, 0, 0];
    await inTurn(new Array(20).fill({}), 3, async () => {
      running += 1;
      most = Math.max(most, running);
      await tick();
      running -= 1;
      ended += 1;
    });
    expect(ended).to.equal(20);
    expect(most).to.equal(3);
  });
});
