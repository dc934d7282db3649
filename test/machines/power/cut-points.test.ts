import { expect } from 'chai';
import { createRandom } from '../campaign/run-case.ts';
import { chooseCuts } from './cut-points.ts';
import type { Place } from './moments.ts';

const places: Place[] = Array.from({ length: 100 }, (_, index) =>
  index % 20 === 10 ? 'environment' : 'slot',
);
const placeAt = (index: number): Place => places[index] ?? 'flush';

describe('the moments of power cuts', () => {
  it('lie in their span, evenly, and no two are the same', () => {
    for (let seed = 1; seed < 50; seed += 1) {
      const wishes = [
        { name: 'all', count: 5, from: 20, to: 60 },
        { name: 'again', count: 40, from: 20, to: 60 },
      ];
      const cuts = chooseCuts(wishes, placeAt, createRandom(`${seed}`));
      expect(cuts.map(({ cut }) => cut)).to.deep.equal(Array.from({ length: 40 }, (_, index) => 21 + index));
      const spread = cuts
        .filter(({ id }) => id.startsWith('all'))
        .map(({ cut }) => Math.floor((cut - 21) / 8));
      expect(spread).to.deep.equal([0, 1, 2, 3, 4]);
    }
  });

  it('are at the writes that were wished, or right after them', () => {
    const wish = { name: 'arming', count: 20, from: 0, to: 100, at: ['environment'] as const };
    const cuts = chooseCuts([wish], placeAt, createRandom('1'));
    const expected = [10, 30, 50, 70, 90].flatMap(at => [at + 1, at + 2, at + 3]);
    expect(cuts.map(({ cut }) => cut)).to.deep.equal(expected);
  });

  it('are the same for the same seed', () => {
    const wishes = [{ name: 'all', count: 5, from: 0, to: 90 }];
    const [one, again, other] = ['1', '1', '2'].map(seed => chooseCuts(wishes, placeAt, createRandom(seed)));
    expect(again).to.deep.equal(one);
    expect(other).not.to.deep.equal(one);
  });
});
