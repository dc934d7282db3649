import { expect } from 'chai';
import type { OS } from '../../src/api/openeuler/index.ts';
import { PODS } from '../../src/kube/resources.ts';
import { eventually } from '../env/wait.ts';
import { runPod } from './fleet-fixture.ts';
import { conditionOf, startWorld, type World } from './openeuler-world.ts';

const STAY = 'example.com/stay';

describe("upstream KubeOS's drain, without its traps", function () {
  this.timeout(60_000);
  let world: World;

  before(async () => {
    world = await startWorld({ name: 'openeuler-drain' });
  });
  after(() => world?.close());
  afterEach(async function () {
    if (this.currentTest?.state === 'failed')
      for (const line of world.controller.lines) console.log(JSON.stringify(line));
    const all = ['--all', '--namespace=default', '--wait=false'];
    await world.cluster.kubectl(['delete', 'pdb,replicasets', ...all]);
    // No kubelet ends those that take their time.
    await world.cluster.kubectl(['delete', 'pods', '--grace-period=0', '--force', ...all]);
    return world.clear();
  });

  const makeNode = (name = 'n1') => world.fleet.makeNodes({ name, osImage: 'KubeOS 1.0.0' });
  const runOnN1 = (name: string, more: object = {}) =>
    runPod(world.fleet.client, { name, nodeName: 'n1', app: name, ...more });
  const deletePod = (name: string) => world.cluster.kubectl(['delete', 'pod', name, '--wait=false']);

  /** Nothing was begun: the node takes pods, and those that were there still run. */
  const expectUndisturbed = async (...pods: string[]) => {
    expect((await world.fleet.getNode('n1')).unschedulable, 'cordoned').to.equal(false);
    const there = await world.fleet.client.list(PODS, { namespace: 'default' });
    expect(there.filter(pod => pod.deletionTimestamp === undefined).map(({ name }) => name)).to.have.members(
      pods,
    );
  };

  describe('evictpodforce is false', () => {
    it('a bare pod keeps the node as it is, and the OS says so; the drain begins when it is gone', async () => {
      const { fleet } = world;
      await makeNode();
      await runOnN1('bare');
      await runOnN1('web-0', { ownerKind: 'ReplicaSet' });
      await fleet.os('os-sample', { evictpodforce: false });
      const { spec, status } = await world.untilGate('n1', 'PodUnmanaged');
      expect(spec.plan?.gate).to.include({ state: 'Closed', attempt: 1 });
      expect(spec.plan?.gate.message).to.equal(
        'pod default/bare has no controller that would make it anew: delete it, or set spec.evictpodforce to true',
      );
      expect(status?.phase).to.equal('Staged');
      const os = await fleet.untilOS('os-sample', 'is degraded', isDegraded('PodUnmanaged'));
      expect(conditionOf(os.status, 'Degraded')?.message).to.match(
        /^n1: pod default\/bare has no controller/,
      );
      await world.untilEvent({ kind: 'OS', name: 'os-sample', reason: 'PodUnmanaged', type: 'Warning' });
      await expectUndisturbed('bare', 'web-0');
      await deletePod('bare');
      const done = await world.untilComplete('os-sample');
      expect(conditionOf(done.status, 'Degraded')?.status).to.equal('False');
      expect(await world.podNames()).to.deep.equal([]);
    });

    it('a pod with an emptyDir likewise, until the field is changed', async () => {
      const { fleet } = world;
      await makeNode();
      await runOnN1('data', { ownerKind: 'ReplicaSet', hasEmptyDir: true });
      await fleet.os('os-sample', { evictpodforce: false });
      const { spec } = await world.untilGate('n1', 'PodLocalData');
      expect(spec.plan?.gate.message).to.match(/^pod default\/data .* or set spec\.evictpodforce to true$/);
      await expectUndisturbed('data');
      await fleet.patchOS('os-sample', { evictpodforce: true });
      await world.untilComplete('os-sample');
      expect((await fleet.progresses('n1')).map(({ status }) => status?.attempt)).to.deep.equal([1]);
    });

    it('an OSUpgrade with drain.force or drain.deleteEmptyDirData false likewise', async () => {
      const { fleet } = world;
      await makeNode();
      await runOnN1('bare', { hasEmptyDir: true });
      await fleet.request('up', { drain: { force: false, deleteEmptyDirData: false } });
      const { spec } = await world.untilGate('n1', 'PodUnmanaged');
      expect(spec.plan?.gate.message).to.contain('spec.drain.force');
      await fleet.patchRequest('up', { drain: { force: true } });
      const next = await world.untilGate('n1', 'PodLocalData');
      expect(next.spec.plan?.gate.message).to.contain('spec.drain.deleteEmptyDirData');
      await expectUndisturbed('bare');
      await deletePod('bare');
      await world.untilPhase('n1', 'Completed');
    });

    it('pods of DaemonSets, with an emptyDir too, do not make it fail for ever', async () => {
      await makeNode();
      await runOnN1('ds', { ownerKind: 'DaemonSet', hasEmptyDir: true });
      await runOnN1('web-0', { ownerKind: 'ReplicaSet' });
      await world.fleet.os('os-sample', { evictpodforce: false });
      await world.untilComplete('os-sample');
      expect(await world.podNames()).to.deep.equal(['ds']);
      const [progress] = await world.fleet.progresses('n1');
      expect(progress?.status?.attempt, 'the image is installed once').to.equal(1);
    });

    it('a bare pod that has ended goes', async () => {
      await makeNode();
      for (const phase of ['Succeeded', 'Failed']) {
        const name = phase.toLowerCase();
        await runOnN1(name);
        const body = { status: { phase } };
        await world.fleet.client.patchStatus(PODS, { name, namespace: 'default' }, { type: 'merge', body });
      }
      await world.fleet.os('os-sample', { evictpodforce: false });
      await world.untilComplete('os-sample');
      expect(await world.podNames()).to.deep.equal([]);
    });

    it('a bare pod that comes during the drain: nothing more goes, and in the end the node serves', async () => {
      await makeNode();
      await runOnN1('web-0', { ownerKind: 'ReplicaSet' });
      await world.cluster.kubectl(['create', 'pdb', 'web', '--selector=app=web-0', '--min-available=1']);
      await world.fleet.os('os-sample', { evictpodforce: false });
      await world.untilGate('n1', 'PodDisruptionBudget');
      await runOnN1('bare');
      const waits = await world.untilGate('n1', 'PodUnmanaged');
      expect(waits.spec.plan?.gate.state).to.equal('Draining');
      await world.cluster.kubectl(['delete', 'pdb', 'web']);
      await world.letTimeBeOver(waits);
      const { status } = await world.untilPhase('n1', 'Failed');
      expect(status?.failureReason).to.equal('DrainTimeout');
      expect(status?.message).to.match(/pod default\/bare has no controller/);
      await world.untilIdle('n1');
      await expectUndisturbed('web-0', 'bare');
    });
  });

  it('evictpodforce is absent: bare pods and those with an emptyDir go', async () => {
    await makeNode();
    await runOnN1('bare');
    await runOnN1('data', { ownerKind: 'ReplicaSet', hasEmptyDir: true });
    await world.fleet.os('os-sample');
    await world.untilComplete('os-sample');
    expect(await world.podNames()).to.deep.equal([]);
  });

  it('a pod that was being deleted already ends no process: it is waited for, by name', async () => {
    const { pid } = world.controller;
    await makeNode();
    await runOnN1('leaving', { finalizers: [STAY] });
    await deletePod('leaving');
    await world.fleet.os('os-sample', { evictpodforce: false });
    const { spec } = await world.untilGate('n1', 'PodTerminating');
    expect(spec.plan?.gate.message).to.match(/^pod default\/leaving is terminating/);
    await takeFinalizers('leaving');
    await world.untilComplete('os-sample');
    expect(world.controller.pid).to.equal(pid);
  });

  it('a pod that ignores its grace period is waited for, by name, and does not hold the node for ever', async () => {
    await makeNode();
    await runOnN1('stubborn', { graceSeconds: 1 });
    await runOnN1('other');
    await world.fleet.os('os-sample');
    const waits = await world.untilGate('n1', 'PodTerminating');
    expect(waits.spec.plan?.gate.message).to.match(/^pod default\/stubborn .* its time is over at 20/);
    expect(await world.podNames()).to.deep.equal(['stubborn']);
    await world.letTimeBeOver(waits);
    const { status } = await world.untilPhase('n1', 'Failed');
    expect(status).to.include({ failureReason: 'DrainTimeout' });
    await world.untilIdle('n1');
  });

  it('a ReplicaSet under a budget: asked a few times, named, and in the end it runs on', async () => {
    await makeNode();
    const labels = { 'upgrade.openeuler.org/node-selector': 'later' };
    await world.fleet.makeNodes({ name: 'n2', labels });
    await runOnN1('web-a', { app: 'web' });
    await runPod(world.fleet.client, { name: 'web-b', nodeName: 'n2', app: 'web' });
    await world.cluster.kubectl(['create', '--filename=-'], { stdin: JSON.stringify(REPLICA_SET) });
    await world.cluster.kubectl(['create', 'pdb', 'web-pdb', '--selector=app=web', '--max-unavailable=0']);
    await eventually(async () => (await ownersOf('web-a')) === 'ReplicaSet', {
      timeoutMs: 20_000,
      what: 'the ReplicaSet has taken its pods over',
    });
    const end = await world.countWrites();
    await world.fleet.os('os-sample', { evictpodforce: false });
    const waits = await world.untilGate('n1', 'PodDisruptionBudget');
    expect(waits.spec.plan?.gate.message).to.match(
      /^pod default\/web-a may not be evicted: PodDisruptionBudget web-pdb, since 20/,
    );
    const beganMs = Date.parse(waits.spec.plan?.gate.since ?? '');
    await world.letTimeBeOver(waits);
    const { status } = await world.untilPhase('n1', 'Failed');
    expect(status?.message).to.match(/PodDisruptionBudget web-pdb/);
    const evictions = (await end()).filter(({ resource }) => resource === 'pods/eviction').length;
    expect(evictions).to.be.within(2, 3 + (Date.now() - beganMs) / 1000);
    await world.untilIdle('n1');
    await expectUndisturbed('web-a', 'web-b');
  });

  describe('the API server refuses', () => {
    it('to list pods: that is no empty node', async () => {
      await makeNode();
      await runOnN1('web-0', { ownerKind: 'ReplicaSet' });
      await withoutRight({ resource: 'pods', verb: 'list' }, async () => {
        await world.fleet.os('os-sample');
        const { spec } = await world.untilGate('n1', 'PodsUnknown');
        expect(spec.plan?.gate.state).to.equal('Draining');
        expect(await world.podNames()).to.deep.equal(['web-0']);
      });
      await world.untilComplete('os-sample');
      expect(await world.podNames()).to.deep.equal([]);
    });

    it('to list pods before the drain, where they have to be looked at: nothing is cordoned', async () => {
      await makeNode();
      await runOnN1('bare');
      await withoutRight({ resource: 'pods', verb: 'list' }, async () => {
        await world.fleet.os('os-sample', { evictpodforce: false });
        const { spec } = await world.untilGate('n1', 'PodsUnknown');
        expect(spec.plan?.gate.state).to.equal('Closed');
        await expectUndisturbed('bare');
      });
      await world.untilGate('n1', 'PodUnmanaged');
    });

    it('to evict: that is no empty node', async () => {
      await makeNode();
      await runOnN1('web-0', { ownerKind: 'ReplicaSet' });
      await withoutRight({ resource: 'pods/eviction', verb: 'create' }, async () => {
        await world.fleet.os('os-sample');
        const { spec } = await world.untilGate('n1', 'EvictionRefused');
        expect(spec.plan?.gate).to.include({ state: 'Draining' });
        expect(spec.plan?.gate.message).to.match(/^pod default\/web-0 may not be evicted: .*forbidden/);
        expect(await world.podNames()).to.deep.equal(['web-0']);
      });
      await world.untilComplete('os-sample');
    });
  });

  const isDegraded =
    (reason: string) =>
    ({ status }: OS): boolean =>
      conditionOf(status, 'Degraded')?.reason === reason;

  const takeFinalizers = (name: string) =>
    world.fleet.client.patch(
      PODS,
      { name, namespace: 'default' },
      {
        type: 'merge',
        body: { metadata: { finalizers: [] } },
      },
    );

  const ownersOf = async (name: string): Promise<string | undefined> =>
    (await world.fleet.client.get(PODS, { name, namespace: 'default' }))?.ownerKind;

  /** Takes one right from the controller for a while. */
  async function withoutRight(
    { resource, verb }: { readonly resource: string; readonly verb: string },
    during: () => Promise<void>,
  ): Promise<void> {
    const read = async () =>
      JSON.parse(
        (await world.cluster.kubectl(['get', 'clusterrole', 'os-controller', '--output=json'])).stdout,
      );
    const { rules } = await read();
    const write = (next: unknown) =>
      world.cluster.kubectl([
        ...['patch', 'clusterrole', 'os-controller', '--type=merge'],
        `--patch=${JSON.stringify({ rules: next })}`,
      ]);
    const without = rules.map((rule: { resources: string[]; verbs: string[] }) =>
      rule.resources.includes(resource)
        ? { ...rule, verbs: rule.verbs.filter(other => other !== verb) }
        : rule,
    );
    await write(without.filter((rule: { verbs: string[] }) => rule.verbs.length > 0));
    try {
      await during();
    } finally {
      await write(rules);
    }
  }
});

const REPLICA_SET = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'c', image: 'x' }] },
    },
  },
};
