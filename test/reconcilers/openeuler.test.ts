import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { Phase } from '../../src/api/monok8s/index.ts';
import { NODES, OSES, OSINSTANCES, OSUPGRADE_PROGRESSES } from '../../src/kube/resources.ts';
import { findControlPlane } from '../../tools/lib/binaries.mjs';
import { type Call, isWrite } from '../env/audit.ts';
import type { Cluster } from '../env/cluster.ts';
import { eventually } from '../env/wait.ts';
import type { Script } from './fake-agents.ts';
import { runPod } from './fleet-fixture.ts';
import { labelOf, startWorld, tidyUp, untilSettled, type World } from './openeuler-world.ts';

const OLD = { osImage: 'KubeOS 1.0.0' };
const UPGRADING = labelOf('upgrading');

/** As a person wrote it for upstream: nothing but a shell and kubectl. */
const SCRIPT = `
  set -eu
  until [ -n "$(kubectl get nodes -l ${UPGRADING} -o name)" ]; do sleep 0.2; done
  echo began
  while [ -n "$(kubectl get nodes -l ${UPGRADING} -o name)" ]; do sleep 0.2; done
  kubectl get osinstances -n default --no-headers -o custom-columns='NAME:.metadata.name,STATUS:.spec.nodestatus'
  kubectl get nodes --no-headers -o custom-columns='NAME:.metadata.name,OS:.status.nodeInfo.osImage,U:.spec.unschedulable'
`;

/** How often which call was made. */
const tally = (calls: readonly Call[]): Record<string, number> =>
  Object.fromEntries(
    [...Map.groupBy(calls, ({ verb, resource }) => `${verb} ${resource}`)].map(([what, { length }]) => [
      what,
      length,
    ]),
  );

interface RunningScript {
  /** Resolves when it has written its first line. */
  readonly began: Promise<unknown>;
  /** Resolves to what it wrote: the columns of each line. */
  readonly done: Promise<string[][]>;
}

function startScript({ adminKubeconfig, dir }: Cluster, script: string): RunningScript {
  const PATH = `${dirname(findControlPlane().kubectl.path)}:${process.env.PATH ?? ''}`;
  const env = { ...process.env, PATH, KUBECONFIG: adminKubeconfig, KUBECACHEDIR: `${dir}/script-cache` };
  const running = promisify(execFile)('sh', ['-c', script], { env, timeout: 50_000 });
  const done = running.then(({ stdout }) =>
    stdout
      .trim()
      .split('\n')
      .map(line => line.trim().split(/\s{2,}/)),
  );
  const { stdout } = running.child;
  return { began: Promise.race([stdout === null ? done : once(stdout, 'data'), done]), done };
}

describe('upstream KubeOS, as its scripts see it', function () {
  this.timeout(60_000);
  let world: World;

  before(async () => {
    world = await startWorld({ name: 'openeuler' });
    await world.cluster.kubectl(['create', 'namespace', 'kubeos']);
  });
  after(() => world?.close());
  afterEach(function () {
    return tidyUp(world, this.currentTest);
  });

  const oldNodes = (...names: string[]) =>
    world.fleet.makeManagedNodes(...names.map(name => ({ name, ...OLD })));

  it('a script that waits until no node is labelled finds all nodes done and serving', async () => {
    const { fleet, cluster } = world;
    const names = ['n1', 'n2', 'n3'];
    await oldNodes(...names);
    for (const name of names) fleet.agents.play(name, 'stay downloading');
    const script = startScript(cluster, SCRIPT);
    await fleet.os('os-sample', { maxunavailable: 3 });
    await script.began;
    for (const name of names) fleet.agents.play(name, 'obey');
    expect(await script.done).to.deep.equal([
      ['began'],
      ...names.map(name => [name, 'idle']),
      ...names.map(name => [name, 'KubeOS 1.0.1', '<none>']),
    ]);
  });

  it('while a node is worked on, label and OSInstance say so, from the plan on', async () => {
    const { fleet } = world;
    await oldNodes('n1');
    fleet.agents.play('n1', 'stay downloading');
    await fleet.os('os-sample', {}, 'kubeos');
    await fleet.untilProgress('n1', 'downloads', ({ status }) => status?.phase === 'Downloading');
    await untilAtWork('n1', { name: 'os-sample', namespace: 'kubeos' });
    const { labels, unschedulable } = await fleet.getNode('n1');
    expect(labels[UPGRADING]).to.equal('');
    expect(unschedulable, 'nothing is disturbed before the image is staged').to.equal(false);
    fleet.agents.play('n1', 'stay rebooting');
    await fleet.untilProgress('n1', 'reboots', ({ status }) => status?.phase === 'Rebooting');
    const rebooting = await fleet.getNode('n1');
    expect(rebooting.labels).to.have.property(UPGRADING);
    expect(rebooting.unschedulable).to.equal(true);
    fleet.agents.play('n1', 'obey');
    await world.untilComplete('os-sample', 'kubeos');
    await world.untilIdle('n1');
  });

  it('each node costs nine writes of the controller at most', async () => {
    await oldNodes('n1', 'n2', 'n3', 'n4');
    await untilSettled(world.fleet, 'n1', 'n2', 'n3', 'n4');
    const end = await world.countCalls();
    await world.fleet.os('os-sample', { maxunavailable: 4 });
    await world.untilComplete('os-sample');
    for (const name of ['n1', 'n2', 'n3', 'n4']) await world.untilIdle(name);
    const calls = await end();
    // A write that was refused, because one of the controller manager's crossed it, has written nothing; one that
    // names no version is made again with the same words.
    const writes = calls.filter(call => isWrite(call) && call.status < 400);
    const count = (verb: string, resource: string) =>
      new Set(writes.filter(call => call.verb === verb && call.resource === resource).map(({ body }) => body))
        .size / 4;
    const perNode = {
      'object made': count('create', 'osupgradeprogresses'),
      gate: count('patch', 'osupgradeprogresses'),
      // The label goes along with the cordon where the agent was quicker than the label.
      node: Math.ceil(count('patch', 'nodes')),
      instance: count('patch', 'osinstances'),
    };
    console.log(`    all calls for 4 nodes: ${JSON.stringify(tally(calls))}`);
    expect(perNode).to.deep.equal({ 'object made': 1, gate: 2, node: 4, instance: 2 });
  });

  describe('an OS is deleted', () => {
    const begin = async (script: Script, phase: Phase, spec: object = {}) => {
      await oldNodes('n1');
      world.fleet.agents.play('n1', script);
      await world.fleet.os('os-sample', spec, 'kubeos');
      await world.untilPhase('n1', phase);
    };
    const remove = () => world.fleet.client.delete(OSES, { name: 'os-sample', namespace: 'kubeos' });
    const untilNoObject = () =>
      eventually(async () => (await world.fleet.progresses()).length === 0, {
        timeoutMs: 10_000,
        what: 'the object is gone',
      });

    it('while the node downloads: its plan is taken back, and an Event of the node says why', async () => {
      await begin('stay downloading', 'Downloading');
      await untilAtWork('n1', { name: 'os-sample', namespace: 'kubeos' });
      await remove();
      await untilNoObject();
      await world.untilIdle('n1');
      await world.untilEvent({ namespace: 'default', kind: 'Node', name: 'n1', reason: 'RequestDeleted' });
    });

    it('while a pod that may not go keeps the drain from beginning: the pod stays', async () => {
      await oldNodes('n1');
      await runPod(world.fleet.client, { name: 'bare', nodeName: 'n1', app: 'x' });
      await world.fleet.os('os-sample', { evictpodforce: false }, 'kubeos');
      await world.untilGate('n1', 'PodUnmanaged');
      await remove();
      await untilNoObject();
      await world.untilIdle('n1');
      expect(await world.podNames()).to.deep.equal(['bare']);
    });

    it('while it drains: the drain goes on as it began, and the rest is cleared away at the end', async () => {
      const { fleet, cluster } = world;
      await oldNodes('n1');
      await runPod(fleet.client, { name: 'web-0', nodeName: 'n1', app: 'web', ownerKind: 'ReplicaSet' });
      await cluster.kubectl(['create', 'pdb', 'web-pdb', '--selector=app=web', '--min-available=1']);
      try {
        await fleet.os('os-sample', { evictpodforce: false }, 'kubeos');
        await world.untilGate('n1', 'PodDisruptionBudget');
        await remove();
        await runPod(fleet.client, { name: 'bare', nodeName: 'n1', app: 'x' });
        const { spec } = await world.untilGate('n1', 'PodUnmanaged');
        expect(spec.plan?.gate.state).to.equal('Draining');
        expect(spec.plan?.gate.message).to.match(/^pod default\/bare .*: delete it$/);
      } finally {
        await cluster.kubectl(['delete', 'pdb', 'web-pdb']);
      }
      await cluster.kubectl(['delete', 'pod', 'bare']);
      await untilNoObject();
      await world.untilIdle('n1');
      expect((await fleet.getNode('n1')).osImage).to.equal('KubeOS 1.0.1');
    });

    it('while it reboots: it finishes', async () => {
      await begin('stay rebooting', 'Rebooting');
      await remove();
      world.fleet.agents.play('n1', 'obey');
      await untilNoObject();
      await world.untilIdle('n1');
      expect((await world.fleet.getNode('n1')).osImage).to.equal('KubeOS 1.0.1');
    });

    it('while no controller runs: the next one clears away what was left', async () => {
      await begin('stay downloading', 'Downloading');
      await untilAtWork('n1', { name: 'os-sample', namespace: 'kubeos' });
      await world.restartController(() => remove());
      await untilNoObject();
      await world.untilIdle('n1');
    });

    it('after all is done: its object goes, and nobody hears of it', async () => {
      await oldNodes('n9');
      await world.fleet.os('os-sample', {}, 'kubeos');
      await world.untilComplete('os-sample', 'kubeos');
      await world.untilIdle('n9');
      await remove();
      await untilNoObject();
      const reasons = (await world.events()).filter(({ name }) => name === 'n9').map(({ reason }) => reason);
      expect(reasons).to.include('Uncordoned').and.not.include('RequestDeleted');
    });
  });

  describe('the traces of a node go', () => {
    it('when its upgrade fails; they come again with a retry', async () => {
      const { fleet } = world;
      await oldNodes('n1');
      fleet.agents.play('n1', 'fail');
      await fleet.os('os-sample');
      const failed = await world.untilPhase('n1', 'Failed');
      await world.untilIdle('n1');
      fleet.agents.play('n1', 'stay downloading');
      const { name } = failed.metadata;
      const body = { spec: { retryNonce: 'again' } };
      await fleet.client.patch(OSUPGRADE_PROGRESSES, { name }, { type: 'merge', body });
      await untilAtWork('n1', { name: 'os-sample', namespace: 'default' });
    });

    it('when the new system was given up', async () => {
      await oldNodes('n1');
      world.fleet.agents.play('n1', 'stay rebooting');
      await world.fleet.os('os-sample');
      const { metadata } = await world.untilPhase('n1', 'Rebooting');
      const status = { phase: 'RolledBack', failureReason: 'TrialNotReady', message: 'not Ready' };
      await world.fleet.client.patchStatus(OSUPGRADE_PROGRESSES, metadata, {
        type: 'merge',
        body: { status },
      });
      await world.untilIdle('n1');
    });

    it('when it is drained no longer, its time being over', async () => {
      const { fleet } = world;
      await oldNodes('n1');
      const stuck = { name: 'stuck', nodeName: 'n1', app: 'x', finalizers: ['example.com/never'] };
      await runPod(fleet.client, stuck);
      await fleet.os('os-sample');
      const waits = await world.untilGate('n1', 'PodTerminating');
      await world.letTimeBeOver(waits);
      const { status } = await world.untilPhase('n1', 'Failed');
      expect(status?.failureReason).to.equal('DrainTimeout');
      await world.untilIdle('n1');
    });

    it('when opstype is changed, and the change is refused', async () => {
      const { fleet } = world;
      await oldNodes('n1');
      fleet.agents.play('n1', 'stay downloading');
      await fleet.os('os-sample');
      await world.untilPhase('n1', 'Downloading');
      await fleet.patchOS('os-sample', { opstype: 'rollback', imagetype: '' });
      const { status } = await fleet.untilOS(
        'os-sample',
        'is refused',
        os => os.status?.phase === 'Rejected',
      );
      expect(status?.reason).to.equal('RollbackImpossible');
      await world.untilIdle('n1');
      await world.untilEvent({
        namespace: 'default',
        kind: 'OS',
        name: 'os-sample',
        reason: 'RollbackImpossible',
      });
    });

    it('when it ends while no controller runs', async () => {
      const { fleet } = world;
      await oldNodes('n1');
      fleet.agents.play('n1', 'stay rebooting');
      await fleet.os('os-sample');
      await world.untilPhase('n1', 'Rebooting');
      await world.restartController(async () => {
        fleet.agents.play('n1', 'obey');
        await world.untilPhase('n1', 'Completed');
      });
      await world.untilIdle('n1');
    });

    it('with the node, and its OSInstance too', async () => {
      const { fleet } = world;
      await oldNodes('n1');
      fleet.agents.play('n1', 'stay downloading');
      await fleet.os('os-sample');
      await untilAtWork('n1', { name: 'os-sample', namespace: 'default' });
      await fleet.client.delete(NODES, { name: 'n1' });
      await untilNoInstance('n1');
      await eventually(async () => (await fleet.progresses()).length === 0, {
        timeoutMs: 20_000,
        what: 'its object is gone',
      });
    });
  });

  it('a serial rollout in another namespace: the batch is labelled, and no label stays', async () => {
    const { fleet } = world;
    await oldNodes('n1', 'n2', 'n3');
    fleet.agents.play('n1', 'stay downloading');
    await fleet.os('os-sample', { executionmode: 'serial', maxunavailable: 2 }, 'kubeos');
    await world.untilPhase('n1', 'Downloading');
    const both = async () => [(await labelled('serial')).join(), (await labelled('upgrading')).join()];
    await eventually(async () => (await both()).join(' and ') === 'n1,n2 and n1', {
      timeoutMs: 10_000,
      what: 'the batch is labelled, and its first node as upgraded',
    });
    fleet.agents.play('n1', 'obey');
    await world.untilComplete('os-sample', 'kubeos');
    for (const name of ['n1', 'n2', 'n3']) await world.untilIdle(name);
    expect(fleet.agents.mostAtWork).to.equal(1);
  });

  it('a serial rollout that becomes parallel, or is deleted, leaves no label', async () => {
    const { fleet } = world;
    await oldNodes('n1', 'n2');
    fleet.agents.play('n1', 'stay downloading');
    fleet.agents.play('n2', 'stay downloading');
    await fleet.os('os-sample', { executionmode: 'serial', maxunavailable: 2 });
    await eventually(async () => (await labelled('serial')).length === 2, {
      timeoutMs: 10_000,
      what: 'the batch is labelled',
    });
    await fleet.patchOS('os-sample', { executionmode: 'parallel' });
    await eventually(async () => (await labelled('serial')).length === 0, {
      timeoutMs: 10_000,
      what: 'no node is labelled',
    });
  });

  it('a rollback in another namespace is an upgrade to scripts', async () => {
    const { fleet } = world;
    await fleet.makeNodes({ name: 'n1', osImage: 'KubeOS 1.0.1', otherOsImage: 'KubeOS 1.0.0' });
    fleet.agents.play('n1', 'stay rebooting');
    await fleet.os('os-back', { opstype: 'rollback', imagetype: '', osversion: 'KubeOS 1.0.0' }, 'kubeos');
    await world.untilPhase('n1', 'Rebooting');
    await untilAtWork('n1', { name: 'os-back', namespace: 'kubeos' });
    fleet.agents.play('n1', 'obey');
    await world.untilComplete('os-back', 'kubeos');
    await world.untilIdle('n1');
    expect((await fleet.getNode('n1')).osImage).to.equal('KubeOS 1.0.0');
  });

  it('had all rights that it needs, and logged nothing that is a mistake', () => {
    const bad = world.controller.lines.filter(
      ({ level, message, reason }) =>
        level === 'error' || message === 'event not written' || reason === 'Forbidden',
    );
    expect(bad).to.deep.equal([]);
  });

  const labelled = async (label: string) =>
    (await world.fleet.client.list(NODES, {}))
      .filter(({ labels }) => labelOf(label) in labels)
      .map(({ name }) => name)
      .toSorted();

  const untilNoInstance = (name: string) =>
    eventually(
      async () => (await world.fleet.client.get(OSINSTANCES, { name, namespace: 'default' })) === undefined,
      { timeoutMs: 20_000, what: `the OSInstance of ${name} is gone` },
    );

  const untilAtWork = (name: string, namespacedname: object) =>
    eventually(
      async () => {
        const { spec } = await world.fleet.getInstance(name);
        const isSame = JSON.stringify(spec.namespacedname) === JSON.stringify(namespacedname);
        return (
          spec.nodestatus === 'upgrade' && isSame && UPGRADING in (await world.fleet.getNode(name)).labels
        );
      },
      { timeoutMs: 10_000, what: `${name} is said to be upgraded` },
    );
});
