import { expect } from 'chai';
import fc from 'fast-check';
import { tellTrouble } from '../../src/agent/act/report.ts';
import { TransientError } from '../../src/domain/errors.ts';
import { guardNote } from './build.ts';
import type { Behaviour, Fault } from './world.ts';
import { OLD, TARGET, World } from './world.ts';
import { live, startAgent } from './world-agent.ts';
import { behaviours, ended, faultsOf, GOOD, phases } from './world-cases.ts';

async function run(behaviour: Partial<Behaviour> = {}, faults: readonly Fault[] = []): Promise<World> {
  const world = new World({ ...GOOD, ...behaviour }, faults);
  await live(world);
  return world;
}

const STAGED = ['Pending', 'Downloading', 'Installing', 'Staged', 'Draining', 'Rebooting'];

describe('a whole attempt', () => {
  it('goes through all phases', async () => {
    const world = await run();
    expect(phases(world)).to.deep.equal([...STAGED, 'Confirming', 'Completed']);
    expect(world.boot).to.deep.equal({ defaultSlot: 'B' });
    expect(world.events).to.deep.equal(['Completed']);
  });

  const BAD: { name: string; behaviour: Partial<Behaviour>; chain: string[]; reason: string }[] = [
    {
      name: 'an image that panics',
      behaviour: { boots: 'panics' },
      chain: [...STAGED, 'RolledBack'],
      reason: 'TrialBootFailed',
    },
    {
      name: 'an entry that cannot be loaded',
      behaviour: { boots: 'notLoadable' },
      chain: [...STAGED, 'RolledBack'],
      reason: 'TrialBootFailed',
    },
    {
      name: 'a machine that resets itself on trial',
      behaviour: { boots: 'resetsAtReady' },
      chain: [...STAGED, 'RolledBack'],
      reason: 'TrialBootFailed',
    },
    {
      name: 'a system in which the agent never starts',
      behaviour: { boots: 'guardActs' },
      chain: [...STAGED, 'RolledBack'],
      reason: 'TrialNotConfirmed',
    },
    {
      name: 'a node that never gets Ready',
      behaviour: { boots: 'neverReady' },
      chain: [...STAGED, 'Confirming', 'RolledBack'],
      reason: 'TrialNotReady',
    },
    {
      name: 'a node that is not healthy',
      behaviour: { boots: 'unhealthy' },
      chain: [...STAGED, 'Confirming', 'RolledBack'],
      reason: 'TrialUnhealthy',
    },
    {
      name: 'a boot loader that never takes the flag',
      behaviour: { ignoresFlag: 99 },
      chain: [...STAGED, 'RolledBack'],
      reason: 'TrialNotTaken',
    },
    {
      name: 'an image of another version',
      behaviour: { shows: '1.35.0' },
      chain: ['Pending', 'Downloading', 'Failed'],
      reason: 'VersionMismatch',
    },
  ];
  for (const { name, behaviour, chain, reason } of BAD) {
    it(`${name} ends in the old system`, async () => {
      const world = await run(behaviour);
      expect(phases(world)).to.deep.equal(chain);
      expect(ended(world)).to.deep.equal([chain.at(-1), reason]);
      expect(world.object?.status?.message).to.contain('kubectl patch osupgradeprogress osupgrade-1');
      expect(world.booted).to.equal('A');
      expect(world.boot).to.deep.equal({ defaultSlot: 'A' });
      expect(world.violations).to.deep.equal([]);
    });
  }

  it('what the guard of a trial knew is told, and its note is gone', async () => {
    const world = await run({ boots: 'guardActs' });
    expect(world.object?.status?.message).to.contain('var.mount').and.to.contain('emergency');
    expect(world.files.guardNote).to.equal(undefined);
  });

  it('the note of an earlier trial is gone before the next one begins', async () => {
    const world = new World({ ...GOOD, boots: 'panics' }, []);
    world.files.guardNote = guardNote();
    await live(world);
    expect(ended(world)).to.deep.equal(['RolledBack', 'TrialBootFailed']);
    expect(world.violations).to.deep.equal([]);
  });

  it('the default slot is told to guards only when it is the default', async () => {
    const world = new World(GOOD, []);
    const settle = world.settle.bind(world);
    world.settle = slot => {
      expect(world.files.defaultSlot).to.equal('A');
      settle(slot);
    };
    await live(world);
    expect([world.files.defaultSlot, world.boot.defaultSlot]).to.deep.equal(['B', 'B']);
  });

  it('a slot that was staged is not changed again when the agent starts anew', async () => {
    const world = new World(GOOD, []);
    let guards = 0;
    const guard = world.guard.bind(world);
    world.guard = slot => {
      guards += 1;
      guard(slot);
    };
    // The status cannot be written once the slot is marked, so all of it is looked at again.
    let isTold = false;
    const write = world.writeStatus.bind(world);
    world.writeStatus = status => {
      if (status?.phase === 'Staged' && !isTold) {
        isTold = true;
        throw new TransientError('Unreachable', 'connection refused');
      }
      return write(status);
    };
    await live(world);
    expect([guards, isTold, ended(world)]).to.deep.equal([1, true, ['Completed', '']]);
  });

  it('a boot loader that takes the flag at the third time is given that time', async () => {
    expect(ended(await run({ ignoresFlag: 2 }))).to.deep.equal(['Completed', '']);
  });

  it('where the boot loader cannot try once, a bad trial is switched back', async () => {
    const world = await run({ switchesPlainly: true, boots: 'neverReady' });
    expect(ended(world)).to.deep.equal(['RolledBack', 'TrialNotReady']);
    expect(world.booted).to.equal('A');
    expect(world.boot).to.deep.equal({ defaultSlot: 'A' });
  });

  it('without an API server a trial falls back in time, and tells so later', async () => {
    const world = new World(GOOD, []);
    const arm = world.arm.bind(world);
    world.arm = slot => {
      arm(slot);
      world.isApiAway = true;
    };
    const startedAtMs = world.nowMs;
    await live(world, () => {
      if (world.boots === 3) world.isApiAway = false;
    });
    expect(ended(world)).to.deep.equal(['RolledBack', 'TrialNotReady']);
    expect(world.boots).to.equal(3);
    expect(world.nowMs - startedAtMs).to.be.within(900_000, 1_100_000);
  });

  it('does not reboot while nobody can be told', async () => {
    const world = new World(GOOD, []);
    const write = world.writeStatus.bind(world);
    world.writeStatus = status => {
      const object = write(status);
      if (status?.phase === 'Draining') world.isApiAway = true;
      return object;
    };
    let passes = 0;
    await live(world, () => {
      passes += 1;
      if (passes === 100) expect([world.boots, world.boot]).to.deep.equal([1, { defaultSlot: 'A' }]);
      if (passes === 100) world.isApiAway = false;
    });
    expect(passes).to.be.greaterThan(100);
    expect(ended(world)).to.deep.equal(['Completed', '']);
  });

  it('what keeps a step from being done is told, before the first status too', async () => {
    const world = new World(GOOD, []);
    const deps = startAgent(world);
    await tellTrouble(deps, 'cannot go on: no such disk');
    expect(world.object?.status).to.deep.include({ phase: 'Pending', message: 'cannot go on: no such disk' });
    await live(world);
    expect(ended(world)).to.deep.equal(['Completed', '']);
    await tellTrouble(deps, 'too late');
    expect(world.object?.status?.message).not.to.contain('too late');
  });

  it('a reboot that does not happen is told', async () => {
    const world = new World(GOOD, []);
    const messages = new Set<string>();
    let asked = 0;
    Object.defineProperty(world, 'isRebootAsked', {
      get: () => asked > 3,
      set: (isAsked: boolean) => {
        asked = isAsked ? asked + 1 : 0;
      },
    });
    await live(world, () => messages.add(world.object?.status?.message ?? ''));
    expect([...messages].join('\n'))
      .to.contain('asked to reboot and has not (time 1)')
      .and.to.contain('(time 3)')
      .and.to.contain('rebootCommand');
    expect(ended(world)).to.deep.equal(['Completed', '']);
  });

  describe('where the state folder cannot be written', () => {
    const readOnlyFrom = async (phase: string, behaviour: Partial<Behaviour> = {}) => {
      const world = new World({ ...GOOD, ...behaviour }, []);
      const write = world.writeStatus.bind(world);
      world.isStateReadOnly = phase === '';
      world.writeStatus = status => {
        if (status?.phase === phase) world.isStateReadOnly = true;
        return write(status);
      };
      await live(world);
      expect(world.violations).to.deep.equal([]);
      expect(world.boot).to.deep.equal({ defaultSlot: 'A' });
      expect(world.booted).to.equal('A');
      return ended(world);
    };

    for (const phase of ['', 'Downloading', 'Staged', 'Draining', 'Rebooting'])
      it(`from ${phase || 'the beginning'} on, the attempt fails and says so`, async () => {
        expect(await readOnlyFrom(phase)).to.deep.equal(['Failed', 'StateNotKept']);
      });

    it('on trial, the node falls back', async () => {
      expect(await readOnlyFrom('Confirming')).to.deep.equal(['RolledBack', 'TrialBootFailed']);
      expect((await readOnlyFrom('Confirming', { boots: 'neverReady' }))[0]).to.equal('RolledBack');
    });
  });

  it('an object that vanishes on trial leaves a node that is settled all the same', async () => {
    const world = new World(GOOD, []);
    const arm = world.arm.bind(world);
    world.arm = slot => {
      arm(slot);
      world.object = undefined;
    };
    await live(world);
    expect(world.boot).to.deep.equal({ defaultSlot: 'B' });
    expect(world.files.trial).to.equal(undefined);
  });
});

describe('from any crash, whatever the image', () => {
  it('the attempt ends, in a system that boots, and no rule is broken', async () => {
    await fc.assert(
      fc.asyncProperty(behaviours, faultsOf(['restart', 'power']), async (behaviour, faults) => {
        const world = await run(behaviour, faults);
        expect(world.violations).to.deep.equal([]);
        expect(['Completed', 'Failed', 'RolledBack']).to.include(world.object?.status?.phase);
        expect(world.files.trial).to.equal(undefined);
        expect(world.boot).to.deep.equal({ defaultSlot: world.booted });
        const isGood = behaviour.boots === 'well' && behaviour.shows === TARGET.slice(1);
        if (!isGood) expect(world.slots[world.booted].version).to.equal(OLD);
      }),
      { numRuns: 250 },
    );
  }).timeout(60_000);

  it('a good image is kept, however often the agent is restarted', async () => {
    await fc.assert(
      fc.asyncProperty(faultsOf(['restart']), async faults => {
        const world = await run({}, faults);
        expect(ended(world)).to.deep.equal(['Completed', '']);
        expect(world.boots).to.equal(2);
      }),
      { numRuns: 150 },
    );
  }).timeout(60_000);
});
