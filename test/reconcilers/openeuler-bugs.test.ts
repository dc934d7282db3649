import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { NODES, OSINSTANCES } from '../../src/kube/resources.ts';
import { ROOT } from '../../tools/lib/paths.mjs';
import { isWrite } from '../env/audit.ts';
import { eventually } from '../env/wait.ts';
import { runPod, setReady } from './fleet-fixture.ts';
import { labelOf, startWorld, tidyUp, untilSettled, type World } from './openeuler-world.ts';

const DRAIN = 'reconcilers/openeuler-drain.test.ts';
const PROTOCOL = 'reconcilers/openeuler.test.ts';
const TAKEOVER = 'reconcilers/openeuler-takeover.test.ts';
const ROLLOUT = 'reconcilers/request/rollout.test.ts';
const SECURITY = 'config/security.test.ts';

/** What goes wrong with upstream KubeOS, and where a test of another file shows that it does not here. */
const ELSEWHERE: readonly (readonly [bug: string, file: string, words: string])[] = [
  [
    'a pod that is being deleted ends the process',
    DRAIN,
    'a pod that was being deleted already ends no process',
  ],
  [
    'without force every drain fails, as a DaemonSet is there',
    DRAIN,
    'pods of DaemonSets, with an emptyDir too',
  ],
  ['a list of pods that failed counts as an empty node', DRAIN, 'to list pods: that is no empty node'],
  ['evictions that failed count as done', DRAIN, 'to evict: that is no empty node'],
  ['a disruption budget is asked for ever', DRAIN, 'a ReplicaSet under a budget: asked a few times'],
  ['a pod that does not end is waited for for ever', DRAIN, 'a pod that ignores its grace period'],
  [
    'the last old node starves among upgraded ones',
    ROLLOUT,
    'the last of 41 nodes is begun with at the first look',
  ],
  [
    'a node without OSInstance slows all others down',
    ROLLOUT,
    'a node without OSInstance slows no other down',
  ],
  ['two objects with one selector stop each other', ROLLOUT, 'two with the same nodeselector'],
  ['a maxunavailable of 0 stops without a word', ROLLOUT, 'what is wrong is told in the status'],
  ['two operators at once exceed the budget', ROLLOUT, 'two controllers, one of which sleeps'],
  ['serial works in namespace default alone', PROTOCOL, 'a serial rollout in another namespace'],
  ['labels of a serial rollout stay', PROTOCOL, 'a serial rollout that becomes parallel'],
  [
    'labels and cordon stay when the OS is deleted',
    PROTOCOL,
    'while it drains: the drain goes on as it began',
  ],
  ['labels stay when the mode changes', PROTOCOL, 'when opstype is changed'],
  [
    'an OSInstance of a node that went while nobody looked stays',
    TAKEOVER,
    'of a node that went meanwhile goes',
  ],
  ['one of two labels is removed', TAKEOVER, 'labels that were left go where our agent is'],
  ['the token of one node may cordon any other', SECURITY, 'cordons n2'],
  ['the token of a node may change an OS', SECURITY, 'changes an OS'],
  ['other disks are taken for the standby partition', 'agent/slots/slot-names.test.ts', 'nvme2n1p3'],
  ['names of certificates lead out of their folder', 'tls/client-credentials.test.ts', '../outside.crt'],
  [
    'unpacking loses labels and capabilities',
    'agent/install/archive/archive-slot.test.ts',
    'everything that GNU tar',
  ],
  [
    'unpacking fills the disk of the node',
    'agent/install/archive/archive-slot.test.ts',
    'nothing on the node’s own',
  ],
];

describe("upstream KubeOS's bugs are not repeated", function () {
  this.timeout(60_000);
  let world: World;

  before(async () => {
    world = await startWorld({ name: 'openeuler-bugs' });
    await world.cluster.kubectl(['create', 'namespace', 'kubeos']);
  });
  after(() => world?.close());
  afterEach(function () {
    return tidyUp(world, this.currentTest);
  });

  const oldNodes = (...names: string[]) =>
    world.fleet.makeNodes(...names.map(name => ({ name, osImage: 'KubeOS 1.0.0' })));

  for (const [bug, file, words] of ELSEWHERE)
    it(`${bug}: see test/${file}`, async () => {
      expect(await readFile(join(ROOT, 'test', file), 'utf8')).to.contain(words);
    });

  it('a drain that failed is not followed by another download, and another, for ever', async () => {
    const { fleet } = world;
    await oldNodes('n1', 'n2');
    await runPod(fleet.client, { name: 'stuck', nodeName: 'n1', app: 'x', finalizers: ['example.com/stay'] });
    await fleet.os('os-sample');
    await world.letTimeBeOver(await world.untilGate('n1', 'PodTerminating'));
    await world.untilPhase('n1', 'Failed');
    const { status } = await fleet.untilOS('os-sample', 'tells of it', os => os.status?.nodes?.failed === 1);
    expect(status?.nodes).to.include({ failed: 1, waiting: 1 });
    await world.untilIdle('n1');
    const progresses = await fleet.progresses();
    expect(progresses.map(({ spec, status: is }) => [spec.nodeName, is?.attempt])).to.deep.equal([['n1', 1]]);
  });

  it('an image of another version than it says does not reboot the node again and again', async () => {
    const { fleet } = world;
    await oldNodes('n1');
    fleet.agents.play('n1', 'stay rebooting');
    await fleet.os('os-sample');
    const { metadata } = await world.untilPhase('n1', 'Rebooting');
    const status = { phase: 'RolledBack', failureReason: 'TrialVersionMismatch', message: 'runs KubeOS 9' };
    await cluster().kubectl([
      ...['patch', 'osupgradeprogress', metadata.name, '--subresource=status', '--type=merge'],
      `--patch=${JSON.stringify({ status })}`,
    ]);
    const os = await fleet.untilOS('os-sample', 'tells of it', is => is.status?.nodes?.failed === 1);
    expect(os.status?.reason).to.equal('NodesFailed');
    await world.untilIdle('n1');
    expect((await fleet.progresses()).map(({ status: is }) => is?.attempt)).to.deep.equal([1]);
  });

  it('a node that gets its label later is begun with, though nothing happened to the OS', async () => {
    const { fleet } = world;
    await oldNodes('n1');
    await fleet.os('os-blue', { nodeselector: 'blue' }, 'kubeos');
    await fleet.untilOS('os-blue', 'has none', ({ status }) => status?.reason === 'NoNodes', 'kubeos');
    await cluster().kubectl(['label', 'node', 'n1', `${labelOf('node-selector')}=blue`]);
    await fleet.untilProgress('n1', 'is done', ({ status }) => status?.phase === 'Completed');
    expect((await fleet.getNode('n1')).labels).to.include({ [labelOf('node-selector')]: 'blue' });
  });

  it('nodes that are out of service for another reason are counted too', async () => {
    const { fleet } = world;
    await oldNodes('n1', 'n2');
    await setReady(fleet.client, 'n2', false);
    await fleet.os('os-sample', { nodeselector: 'all-label' });
    const waits = await fleet.untilOS(
      'os-sample',
      'waits',
      ({ status }) => status?.reason === 'BudgetExhausted',
    );
    expect(waits.status?.message)
      .to.contain('spec.maxunavailable allows 1 of 2 nodes')
      .and.contain('n2 (NotReady)');
    expect(await fleet.progresses()).to.deep.equal([]);
    await setReady(fleet.client, 'n2', true);
    await world.untilComplete('os-sample');
  });

  it('a node of the control plane is not touched', async () => {
    const { fleet } = world;
    const labels = { 'node-role.kubernetes.io/control-plane': '' };
    await fleet.makeNodes({ name: 'cp', osImage: 'KubeOS 1.0.0', labels });
    await oldNodes('n1');
    await fleet.os('os-sample', { nodeselector: 'all-label', maxunavailable: 5 });
    const { status } = await world.untilComplete('os-sample');
    expect(status?.nodes).to.include({ total: 1, updated: 1 });
    expect(fleet.agents.rebooted).to.deep.equal(['n1']);
  });

  it('a node that joins under the name of one that just went keeps its OSInstance', async () => {
    const { fleet } = world;
    for (let round = 0; round < 5; round += 1) {
      await oldNodes('n1');
      await untilSettled(fleet, 'n1');
      await fleet.client.delete(NODES, { name: 'n1' });
      await fleet.client.delete(OSINSTANCES, { name: 'n1', namespace: 'default' });
      await cluster().kubectl([
        ...['delete', 'pod', 'node-agent-n1', '--namespace=mono-system', '--force', '--grace-period=0'],
      ]);
    }
    await oldNodes('n1');
    await fleet.os('os-sample');
    await world.untilComplete('os-sample');
    await world.untilIdle('n1');
  });

  it('nothing is asked of the API server while nothing happens', async () => {
    await oldNodes('n1', 'n2', 'n3');
    await world.fleet.os('os-sample', { maxunavailable: 3 });
    await world.untilComplete('os-sample');
    for (const name of ['n1', 'n2', 'n3']) await world.untilIdle(name);
    await untilSettled(world.fleet, 'n1', 'n2', 'n3');
    // What is written last is heard of by the controller itself.
    await renewals(2);
    const others = await renewals(4);
    expect(
      others.filter(({ verb }) => verb !== 'watch').map(call => `${call.verb} ${call.resource}`),
    ).to.deep.equal([]);
    expect(others.filter(isWrite)).to.deep.equal([]);
  });

  const cluster = () => world.cluster;

  /** What the controller asks for beside its Lease until it has renewed that so many times. */
  async function renewals(times: number) {
    const end = await world.countCalls();
    const isLease = ({ resource }: { readonly resource: string }) => resource === 'leases';
    const calls = await eventually(
      async () => {
        const now = await end();
        return now.filter(isLease).length >= times && now;
      },
      { timeoutMs: 30_000, everyMs: 200, what: 'the Lease is renewed' },
    );
    return calls.filter(call => !isLease(call));
  }
});
