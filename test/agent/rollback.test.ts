import { expect } from 'chai';
import fc from 'fast-check';
import { gate, plan, progress } from './build.ts';
import { type Behaviour, type Fault, World } from './world.ts';
import { live } from './world-agent.ts';
import { behaviours, ended, faultsOf, GOOD, phases } from './world-cases.ts';

describe('a whole attempt', () => {
  describe('that rolls back', () => {
    const rollBack = async (behaviour: Partial<Behaviour> = {}, faults: readonly Fault[] = []) => {
      const world = new World({ ...GOOD, ...behaviour }, faults).rollBack();
      await live(world);
      expect(world.violations).to.deep.equal([]);
      return world;
    };
    const ROLLBACK = ['Pending', 'Staged', 'Draining', 'Rebooting'];

    it('starts at Staged', async () => {
      const world = await rollBack();
      expect(phases(world)).to.deep.equal([...ROLLBACK, 'Confirming', 'Completed']);
      expect(world.boot).to.deep.equal({ defaultSlot: 'B' });
    });

    it('to a system that does not come up any more, and ends where it began', async () => {
      const world = await rollBack({ boots: 'panics' });
      expect(phases(world)).to.deep.equal([...ROLLBACK, 'RolledBack']);
      expect([world.booted, world.boot]).to.deep.equal(['A', { defaultSlot: 'A' }]);
    });

    it('from any crash ends, in a system that boots, and nothing but a guard is ever written to a slot', async () => {
      await fc.assert(
        fc.asyncProperty(behaviours, faultsOf(['restart', 'power']), async (behaviour, faults) => {
          const world = await rollBack({ ...behaviour, shows: GOOD.shows }, faults);
          expect(['Completed', 'RolledBack']).to.include(world.object?.status?.phase);
          expect(world.files.trial).to.equal(undefined);
          expect(world.boot).to.deep.equal({ defaultSlot: world.booted });
        }),
        { numRuns: 150 },
      );
    }).timeout(60_000);
  });

  describe('of an image by its tag', () => {
    /** The first attempt ends as `first` does it; how often the image was pulled in it, and in a retry. */
    const pulls = async (behaviour: Partial<Behaviour>, first: (world: World) => void) => {
      const world = new World({ ...GOOD, ...behaviour }, []);
      let count = 0;
      const install = world.install.bind(world);
      world.install = slot => {
        count += 1;
        return install(slot);
      };
      const wanted = plan({ image: { reference: 'registry.example/os:1' }, gate: gate('Closed', 0) });
      world.object = progress({ plan: wanted });
      first(world);
      await live(world);
      const [ending, before] = [ended(world)[1], count];
      const { object } = world;
      if (!object) throw new Error('the object is gone');
      world.object = { ...object, spec: { ...object.spec, plan: wanted, retryNonce: 'again' } };
      await live(world);
      expect(world.violations).to.deep.equal([]);
      return [ending, before, count - before, ended(world)[0]];
    };

    it('after the drain took too long, a retry pulls nothing', async () => {
      const drainFails = (world: World) => {
        const move = world.moveGate.bind(world);
        world.moveGate = () => {
          world.moveGate = move;
          const { object } = world;
          const failed = { ...gate('Failed'), reason: 'DrainTimeout' };
          if (object?.status?.phase !== 'Staged' || !object.spec.plan) return drainFails(world);
          world.object = { ...object, spec: { ...object.spec, plan: { ...object.spec.plan, gate: failed } } };
        };
      };
      expect(await pulls({}, drainFails)).to.deep.equal(['DrainTimeout', 1, 0, 'Completed']);
    });

    it('after it was tried and rolled back, a retry pulls again: the tag may hold a better one', async () => {
      expect(await pulls({ boots: 'neverReady' }, () => undefined)).to.deep.equal([
        'TrialNotReady',
        1,
        1,
        'RolledBack',
      ]);
    });
  });
});
