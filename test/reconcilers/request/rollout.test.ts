import { expect } from 'chai';
import type { OS, OSStatus } from '../../../src/api/openeuler/index.ts';
import { OSES, OSUPGRADES } from '../../../src/kube/resources.ts';
import { startController } from '../../env/controller-process.ts';
import { eventually } from '../../env/wait.ts';
import type { NodeToMake } from '../fleet-fixture.ts';
import { conditionOf, startWorld, tidyUp, untilSettled, type World } from '../openeuler-world.ts';

const [OLD, NEW] = ['KubeOS 1.0.0', 'KubeOS 1.0.1'];
const old = (name: string, more: Partial<NodeToMake> = {}): NodeToMake => ({ name, osImage: OLD, ...more });
const names = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `n${String(i + 1).padStart(2, '0')}`);
const isSuperseded = ({ status }: OS): boolean => status?.reason === 'Superseded';

describe('rollouts of OS objects on a real API server', function () {
  this.timeout(60_000);
  let world: World;

  before(async () => {
    world = await startWorld({ name: 'rollouts' });
    await world.cluster.kubectl(['create', 'namespace', 'elsewhere']);
  });
  after(() => world?.close());
  afterEach(function () {
    return tidyUp(world, this.currentTest);
  });

  const rebooted = () => world.fleet.agents.rebooted;
  const untilStatus = (name: string, what: string, check: (status: NonNullable<OSStatus>) => boolean) =>
    world.fleet.untilOS(name, what, ({ status }) => status !== undefined && check(status));
  const untilReason = (name: string, reason: string) =>
    untilStatus(name, `says ${reason}`, status => status.reason === reason);
  /** How often the controller looked at an OS, and how many nodes it began with then, from now on. */
  const countLooks = (name: string) => {
    const { length } = world.controller.lines;
    return () =>
      world.controller.lines
        .slice(length)
        .filter(({ message, request }) => message === 'request looked at' && request === `OS default/${name}`)
        .map(({ plans }) => Number(plans));
  };

  /** Makes nodes that the controller knows before anything is asked for: so they take their turns by name. */
  const makeOld = (count: number): Promise<void> =>
    world.fleet.makeManagedNodes(...names(count).map(name => old(name)));

  it('the last of 41 nodes is begun with at the first look, not by chance after 1 to 85 of them', async () => {
    const done = names(40).map(name => old(name, { osImage: NEW }));
    await world.fleet.makeManagedNodes(...done, old('old-one'));
    const looks = countLooks('os-sample');
    const beganMs = performance.now();
    await world.fleet.os('os-sample', { timeinterval: 15 });
    await world.untilComplete('os-sample');
    const seconds = (performance.now() - beganMs) / 1000;
    const passes = looks().findIndex(plans => plans > 0) + 1;
    console.log(`    ${passes} pass, ${seconds.toFixed(2)} s until all 41 nodes are done`);
    expect(passes).to.equal(1);
    expect(seconds).to.be.below(5);
    expect(rebooted()).to.deep.equal(['old-one']);
  });

  it('a node without OSInstance slows no other down', async () => {
    const labels = { 'upgrade.openeuler.org/node-selector': 'edge' };
    await world.fleet.makeNodes(
      old('n0', { version: null, labels }),
      ...names(4).map(name => old(name, { labels })),
    );
    await world.fleet.os('os-sample', { nodeselector: 'edge' });
    const { status } = await world.untilComplete('os-sample');
    expect(status?.nodes).to.include({ updated: 4, skipped: 1 });
    expect(status?.skippedNodes?.map(({ name, reason }) => [name, reason])).to.deep.equal([
      ['n0', 'AgentMissing'],
    ]);
  });

  it('two with the same nodeselector: the newer does its work, the older says so; its end changes nothing', async () => {
    await makeOld(3);
    await world.fleet.os('first', { osversion: 'KubeOS 1.0.9' });
    await world.untilComplete('first');
    await world.fleet.os('second');
    await world.untilComplete('second');
    const { status } = await world.fleet.untilOS('first', 'is superseded', isSuperseded);
    expect(conditionOf(status, 'Superseded')?.message).to.match(/^OS default\/second is newer/);
    await world.fleet.client.delete(OSES, { name: 'second', namespace: 'default' });
    await untilStatus('first', 'knows that it is gone', ({ skippedNodes = [] }) =>
      skippedNodes.every(({ message }) => message.includes('took the node over')),
    );
    expect(rebooted()).to.have.length(6);
    expect((await world.fleet.getNode('n01')).osImage).to.equal(NEW);
    await world.fleet.patchOS('first', { maxunavailable: 3 });
    await world.untilComplete('first');
    expect((await world.fleet.getNode('n01')).osImage, 'a new rollout of it').to.equal('KubeOS 1.0.9');
  });

  it('an OSUpgrade gives way to a newer OS, and an OS to a newer OSUpgrade', async () => {
    const { fleet } = world;
    await fleet.makeNodes(old('n01'));
    fleet.agents.play('n01', 'stay downloading');
    await fleet.os('os-sample');
    await world.untilPhase('n01', 'Downloading');
    await fleet.request('up', { maxUnavailable: 1 });
    await fleet.untilOS('os-sample', 'is superseded', isSuperseded);
    await fleet.untilRequest('up', 'works on the node', ({ status }) => status?.nodes?.running === 1);
    await fleet.patchOS('os-sample', { maxunavailable: 2 });
    await fleet.untilRequest('up', 'is superseded', ({ status }) => status?.reason === 'Superseded');
    fleet.agents.play('n01', 'obey');
    await world.untilComplete('os-sample');
    expect(rebooted()).to.deep.equal(['n01']);
    await fleet.client.delete(OSUPGRADES, { name: 'up' });
  });

  it('serial: one after the other, whatever the budget', async () => {
    await makeOld(5);
    await world.fleet.os('os-sample', { executionmode: 'serial', maxunavailable: 4 });
    await world.untilComplete('os-sample');
    expect(rebooted()).to.deep.equal(names(5));
    expect(world.fleet.agents.mostAtWork).to.equal(1);
  });

  it('parallel: as many as the budget, all of them if it is larger', async () => {
    await makeOld(5);
    for (const name of names(5)) world.fleet.agents.play(name, 'stay downloading');
    await world.fleet.os('os-sample', { maxunavailable: 3 });
    await untilStatus('os-sample', 'works on three', ({ nodes }) => nodes?.running === 3);
    await world.fleet.patchOS('os-sample', { maxunavailable: 30 });
    await untilStatus('os-sample', 'works on all', ({ nodes }) => nodes?.running === 5);
    for (const name of names(5)) world.fleet.agents.play(name, 'obey');
    await world.untilComplete('os-sample');
  });

  it('a change of the image tries failed nodes again and leaves alone what is done', async () => {
    await makeOld(3);
    world.fleet.agents.play('n02', 'fail');
    await world.fleet.os('os-sample');
    await untilReason('os-sample', 'NodesFailed');
    expect(rebooted()).to.deep.equal(['n01']);
    world.fleet.agents.play('n02', 'obey');
    await world.fleet.patchOS('os-sample', { imageurl: 'https://example.invalid/mended.tar' });
    const { status } = await world.untilComplete('os-sample');
    expect(status?.rollout).to.equal(2);
    expect(rebooted()).to.deep.equal(['n01', 'n02', 'n03']);
  });

  it('a change of the pace is no new rollout', async () => {
    await makeOld(2);
    world.fleet.agents.play('n01', 'stage only');
    await world.fleet.os('os-sample');
    const { metadata } = await world.untilPhase('n01', 'Staged');
    await world.fleet.patchOS('os-sample', { executionmode: 'serial', evictpodforce: false });
    await untilStatus(
      'os-sample',
      'has been looked at',
      ({ observedGeneration }) => observedGeneration === 2,
    );
    world.fleet.agents.play('n01', 'obey');
    const { status } = await world.untilComplete('os-sample');
    expect(status?.rollout).to.equal(1);
    expect((await world.fleet.progresses('n01')).map(object => object.metadata.uid)).to.deep.equal([
      metadata.uid,
    ]);
  });

  it('what is wrong is told in the status and by an Event; corrected, it begins', async () => {
    await world.fleet.makeNodes(old('n01'));
    await world.fleet.os('os-sample', { maxunavailable: 0 });
    const { status } = await untilReason('os-sample', 'MaxUnavailableInvalid');
    expect(status?.phase).to.equal('Rejected');
    await world.untilEvent({
      kind: 'OS',
      name: 'os-sample',
      type: 'Warning',
      reason: 'MaxUnavailableInvalid',
    });
    await world.fleet.patchOS('os-sample', { maxunavailable: 1, osversion: 'KubeOS latest' });
    await world.untilComplete('os-sample');
    await world.untilEvent({ kind: 'OS', name: 'os-sample', type: 'Warning', reason: 'VersionUnchecked' });
  });

  it('settings that are added end a plan; taken away again, the node is upgraded after all', async () => {
    const { fleet } = world;
    await fleet.makeNodes(old('n01'));
    fleet.agents.play('n01', 'stay downloading');
    await fleet.os('os-sample');
    await world.untilPhase('n01', 'Downloading');
    await fleet.patchOS('os-sample', { sysconfigs: { version: 'v1' } });
    await untilReason('os-sample', 'ConfigUnsupported');
    fleet.agents.play('n01', 'obey');
    await world.untilPhase('n01', 'Failed');
    await fleet.patchOS('os-sample', { sysconfigs: null });
    await world.untilComplete('os-sample');
  });

  it('rolls back what holds the version, and names what does not', async () => {
    await world.fleet.makeNodes(
      old('n01', { osImage: NEW, otherOsImage: OLD }),
      old('n02', { osImage: NEW, otherOsImage: 'KubeOS 0.9.0' }),
    );
    await world.fleet.os('os-sample', { opstype: 'rollback', osversion: OLD, imagetype: '' });
    const { status } = await world.untilComplete('os-sample');
    expect(status?.skippedNodes?.map(({ name, reason }) => [name, reason])).to.deep.equal([
      ['n02', 'RollbackImpossible'],
    ]);
    expect(rebooted()).to.deep.equal(['n01']);
  });

  it('deleted and made again under its name: what is done stays, what waits is done', async () => {
    const { fleet } = world;
    await makeOld(3);
    fleet.agents.play('n02', 'stay rebooting');
    await fleet.os('os-sample');
    await world.untilPhase('n02', 'Rebooting');
    await fleet.client.delete(OSES, { name: 'os-sample', namespace: 'default' });
    await fleet.os('os-sample');
    await untilReason('os-sample', 'WaitingForOtherRequest');
    fleet.agents.play('n02', 'obey');
    const { status } = await world.untilComplete('os-sample');
    expect(status?.rollout).to.equal(1);
    expect(rebooted()).to.deep.equal(['n01', 'n02', 'n03']);
  });

  it('moved to another namespace in the middle: each node reboots once', async () => {
    const { fleet } = world;
    await makeOld(3);
    fleet.agents.play('n02', 'stay downloading');
    await fleet.os('os-sample');
    await world.untilPhase('n02', 'Downloading');
    await fleet.os('os-sample', {}, 'elsewhere');
    await fleet.client.delete(OSES, { name: 'os-sample', namespace: 'default' });
    fleet.agents.play('n02', 'obey');
    await world.untilComplete('os-sample', 'elsewhere');
    expect(rebooted()).to.deep.equal(['n01', 'n02', 'n03']);
  });

  it('the controller is killed again and again: each node reboots once, the budget holds', async () => {
    await makeOld(6);
    await world.fleet.os('os-sample', { maxunavailable: 2 });
    for (const count of [1, 4]) {
      await eventually(() => rebooted().length >= count, {
        timeoutMs: 20_000,
        everyMs: 5,
        what: `${count} are done`,
      });
      await world.restartController();
    }
    await world.untilComplete('os-sample');
    expect([...rebooted()].toSorted()).to.deep.equal(names(6));
    expect(world.fleet.agents.mostAtWork).to.be.at.most(2);
  });

  it('two controllers, one of which sleeps while it leads, keep the budget together', async () => {
    const { fleet, cluster, controller } = world;
    await makeOld(6);
    const second = await startController(cluster);
    try {
      fleet.agents.play('n03', 'stage only');
      await fleet.os('os-sample', { executionmode: 'serial', maxunavailable: 3 });
      await world.untilPhase('n03', 'Staged');
      controller.signal('SIGSTOP');
      await second.untilLogged('caches filled');
      controller.signal('SIGCONT');
      fleet.agents.play('n03', 'obey');
      await world.untilComplete('os-sample');
      expect(fleet.agents.mostAtWork).to.equal(1);
      expect(rebooted()).to.deep.equal(names(6));
    } finally {
      controller.signal('SIGCONT');
      expect(await second.stop()).to.equal(0);
    }
    await world.restartController();
  });

  it('writes nothing when nothing changed, superseded and rejected requests included', async () => {
    const { fleet, cluster } = world;
    await makeOld(3);
    await fleet.os('first', { osversion: 'KubeOS 1.0.9' });
    await world.untilComplete('first');
    await fleet.os('second', { executionmode: 'serial' });
    await world.untilComplete('second');
    await fleet.os('third', { maxunavailable: 0 });
    await untilReason('third', 'MaxUnavailableInvalid');
    await fleet.untilOS('first', 'is superseded', isSuperseded);
    for (const name of names(3)) await world.untilIdle(name);
    await untilSettled(fleet, ...names(3));
    const looks = countLooks('second');
    const end = await world.countWrites();
    // Wakes everything up: changes that nothing follows from.
    await cluster.kubectl(['label', 'node', 'n01', 'some=label']);
    await cluster.kubectl(['annotate', 'os', '--all', 'some=note']);
    await eventually(() => looks().length > 1, {
      timeoutMs: 10_000,
      what: 'the controller has looked again',
    });
    await world.restartController();
    await eventually(
      () => world.controller.lines.filter(({ message }) => message === 'request looked at').length >= 3,
      { timeoutMs: 10_000, what: 'another controller has looked at all' },
    );
    expect((await end()).map(({ verb, resource }) => `${verb} ${resource}`)).to.deep.equal([]);
  });

  it('had all rights that it needs, and logged nothing that is a mistake', () =>
    expect(
      world.controller.lines.filter(
        ({ level, message, reason }) =>
          level === 'error' || message === 'event not written' || reason === 'Forbidden',
      ),
    ).to.deep.equal([]));
});
