import fc from 'fast-check';
import { type Behaviour, type Fault, TARGET, type World } from './world.ts';

/** An image, and a machine, with nothing wrong. */
export const GOOD: Behaviour = { shows: TARGET.slice(1), boots: 'well', ignoresFlag: 0 };
/** The phases that the object went through. */
export const phases = (world: World) => world.object?.status?.history?.map(entry => entry.phase);
/** How its attempt ended. */
export const ended = (world: World) => [world.object?.status?.phase, world.object?.status?.failureReason];

/** Any of them. */
export const behaviours: fc.Arbitrary<Behaviour> = fc.record({
  shows: fc.constantFrom(TARGET.slice(1), TARGET.slice(1), '1.35.0'),
  boots: fc.constantFrom(
    'well',
    'well',
    'panics',
    'notLoadable',
    'neverReady',
    'unhealthy',
    'resetsAtReady',
    'guardActs',
  ),
  ignoresFlag: fc.constantFrom(0, 0, 1, 9),
});
/** A few cuts of some kinds, anywhere. */
export const faultsOf = (what: Fault['what'][]): fc.Arbitrary<Fault[]> =>
  fc.array(
    fc.record({
      at: fc.integer({ min: 1, max: 40 }),
      what: fc.constantFrom(...what),
      when: fc.constantFrom('before', 'after'),
    }),
    { maxLength: 4 },
  );
