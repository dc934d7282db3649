import { expect } from 'chai';
import fc from 'fast-check';
import { type Behaviour, type Fault, OLD, TARGET } from '../world.ts';
import { live } from '../world-agent.ts';
import { behaviours, ended, faultsOf, GOOD } from '../world-cases.ts';
import { UBootWorld } from './uboot-world.ts';

const ALTERNATIVES = ['settles', 'saves nothing', 'toggles'] as const;

async function run(
  alternative: (typeof ALTERNATIVES)[number],
  behaviour: Partial<Behaviour> = {},
  faults: readonly Fault[] = [],
): Promise<UBootWorld> {
  const world = new UBootWorld({ ...GOOD, ...behaviour }, faults, alternative);
  await live(world);
  return world;
}

for (const alternative of ALTERNATIVES)
  describe(`a whole attempt on a board with U-Boot whose altbootcmd ${alternative}`, () => {
    const settledOn = (slot: string) => ({
      boot_slot: slot,
      bootlimit: '1',
      upgrade_available: '0',
      bootcount: '0',
    });

    it('ends in the new slot, with no boot counted any more', async () => {
      const world = await run(alternative);
      expect(ended(world)).to.deep.equal(['Completed', '']);
      expect(world.booted).to.equal('B');
      expect(world.variables).to.deep.equal(settledOn('B'));
      expect(world.violations).to.deep.equal([]);
    });

    for (const [boots, reason] of [
      ['panics', 'TrialBootFailed'],
      ['notLoadable', 'TrialBootFailed'],
      ['guardActs', 'TrialNotConfirmed'],
      ['resetsAtReady', 'TrialBootFailed'],
      ['guardActs', 'TrialNotConfirmed'],
      ['neverReady', 'TrialNotReady'],
      ['unhealthy', 'TrialUnhealthy'],
    ] as const)
      it(`ends in the old slot if the new one: ${boots}`, async () => {
        const world = await run(alternative, { boots });
        expect(ended(world)).to.deep.equal(['RolledBack', reason]);
        expect(world.booted).to.equal('A');
        expect(world.variables).to.deep.include({ boot_slot: 'A', upgrade_available: '0', bootcount: '0' });
        expect(world.boot).to.deep.equal({ defaultSlot: 'A' });
        expect(world.violations).to.deep.equal([]);
      });

    it('is armed again where U-Boot was kept from trying it, but not for ever', async () => {
      expect(ended(await run(alternative, { ignoresFlag: 2 }))).to.deep.equal(['Completed', '']);
      expect(ended(await run(alternative, { ignoresFlag: 99 }))).to.deep.equal([
        'RolledBack',
        'TrialNotTaken',
      ]);
    });

    it('ends in a system that boots, from any crash and whatever the image', async () => {
      await fc.assert(
        fc.asyncProperty(behaviours, faultsOf(['restart', 'power']), async (behaviour, faults) => {
          const world = await run(alternative, behaviour, faults);
          expect(world.violations).to.deep.equal([]);
          expect(['Completed', 'Failed', 'RolledBack']).to.include(world.object?.status?.phase);
          expect(world.files.trial).to.equal(undefined);
          expect(world.boot).to.deep.equal({ defaultSlot: world.booted });
          const isGood = behaviour.boots === 'well' && behaviour.shows === TARGET.slice(1);
          if (!isGood) expect(world.slots[world.booted].version).to.equal(OLD);
        }),
        { numRuns: 200 },
      );
    }).timeout(60_000);
  });
