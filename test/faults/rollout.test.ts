import { expect } from 'chai';
import type { OSUpgrade, OSUpgradeProgress } from '../../src/api/monok8s/index.ts';
import { type ControllerProcess, startController } from '../env/controller-process.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { eventually } from '../env/wait.ts';
import { fault } from './rows.ts';
import { expectEnd, NEW, OLD, useWorld } from './world.ts';

interface NodeObject {
  readonly spec: { readonly unschedulable?: boolean };
  readonly metadata: { readonly annotations?: Record<string, string> };
}

describe('faults of a rollout', function () {
  this.timeout(240_000);
  const world = useWorld();
  const controllers: ControllerProcess[] = [];
  let count = 0;

  const startOne = async (): Promise<ControllerProcess> => {
    const controller = await startController(world().cluster);
    controllers.push(controller);
    return controller;
  };
  afterEach(async () => {
    await Promise.all(controllers.splice(0).map(controller => controller.stop()));
    await world().cluster.kubectl(['delete', 'osupgrades,osupgradeprogresses', '--all']);
    await world().cluster.kubectl([
      'delete',
      'pods,pdb',
      '--all',
      '-n',
      'default',
      '--grace-period=0',
      '--force',
    ]);
  });

  /** Nodes of one row, and a request that selects them alone. */
  const nodesOf = async (row: string, names: number): Promise<EmulatedNode[]> => {
    const nodes: EmulatedNode[] = [];
    for (let i = 0; i < names; i++) nodes.push(await world().node({ labels: { row } }));
    return nodes;
  };
  const request = async (row: string, spec: object = {}): Promise<string> => {
    count += 1;
    const name = `rollout-${count}`;
    const { url, checksum, size } = world().entry();
    const inline = JSON.stringify({ stable: NEW, images: [{ version: NEW, url, checksum, size }] });
    const all = { version: NEW, nodeSelector: { row }, catalog: { inline }, ...spec };
    await world().apply({
      apiVersion: 'monok8s.io/v1alpha1',
      kind: 'OSUpgrade',
      metadata: { name },
      spec: all,
    });
    return name;
  };
  const isComplete = async (name: string): Promise<boolean> =>
    (await world().get<OSUpgrade>('osupgrade', name)).status?.conditions?.some(
      ({ type, status }) => type === 'Complete' && status === 'True',
    ) ?? false;
  const completes = (name: string, timeoutMs = 150_000): Promise<true> =>
    eventually(() => isComplete(name).then(done => done || undefined), {
      timeoutMs,
      what: `${name} is complete`,
    });
  const progresses = async (): Promise<OSUpgradeProgress[]> => {
    const { stdout } = await world().cluster.kubectl(['get', 'osupgradeprogresses', '-o', 'json']);
    return JSON.parse(stdout).items;
  };
  const progressOf = (node: EmulatedNode): Promise<string> =>
    eventually(
      async () => (await progresses()).find(({ spec }) => spec.nodeName === node.name)?.metadata.name,
      { timeoutMs: 30_000, what: `${node.name} has a plan` },
    );
  const isUsable = async (node: EmulatedNode): Promise<boolean> => {
    const { spec, metadata } = await world().get<NodeObject>('node', node.name);
    return spec.unschedulable !== true && metadata.annotations?.['monok8s.io/cordoned-by'] === undefined;
  };
  const becomesUsable = (node: EmulatedNode): Promise<true> =>
    eventually(() => isUsable(node).then(yes => yes || undefined), {
      timeoutMs: 20_000,
      what: `${node.name} is schedulable`,
    });
  /** A pod that only an eviction or a person removes. */
  const pod = (name: string, node: EmulatedNode): Promise<void> =>
    world().apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', labels: { app: name } },
      spec: {
        nodeName: node.name,
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'c', image: 'example' }],
      },
    });

  fault('unknown node name', async () => {
    await startOne();
    const name = await world().plan('no-such-node', world().entry());
    const status = await world().end(name);
    expect(status).to.include({ phase: 'Failed', failureReason: 'NodeNotFound' });
    expect(status.message).to.contain('no-such-node');
  });

  fault('controller killed at random moments', async () => {
    const nodes = await nodesOf('controller-killed', 2);
    let controller = await startOne();
    const name = await request('controller-killed');
    // Moments drawn from a fixed seed: repeatable, and spread over the rollout.
    let seed = 7;
    const random = (): number => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed / 2 ** 31;
    };
    for (let kills = 0; kills < 6; kills++) {
      const before = JSON.stringify((await progresses()).map(({ status }) => status?.phase));
      const patienceMs = 500 + random() * 3_000;
      await eventually(
        async () => JSON.stringify((await progresses()).map(({ status }) => status?.phase)) !== before,
        { timeoutMs: patienceMs, what: 'a phase changes' },
      ).catch(() => undefined);
      await controller.kill();
      controllers.splice(controllers.indexOf(controller), 1);
      const working = (await progresses()).filter(({ status }) => status?.phase !== 'Completed');
      expect(working.length, 'never more nodes at work than the budget allows').to.be.at.most(1);
      controller = await startOne();
    }
    await completes(name);
    for (const node of nodes) {
      await node.assertBootsVersion(NEW);
      await becomesUsable(node);
      expect(node.bootCount, 'one reboot').to.equal(2);
    }
  });

  fault('two controllers at once', async () => {
    const nodes = await nodesOf('two-controllers', 2);
    const both = [await startOne(), await startOne()];
    const name = await request('two-controllers');
    let most = 0;
    const over = completes(name);
    await eventually(
      async () => {
        const busy = (await progresses()).filter(({ status }) => status?.phase !== 'Completed').length;
        most = Math.max(most, busy);
        return isComplete(name);
      },
      { timeoutMs: 150_000, everyMs: 200, what: `${name} is complete` },
    );
    await over;
    expect(most, 'nodes at work at once').to.equal(1);
    expect(await progresses()).to.have.length(nodes.length);
    const led = both.filter(({ lines }) => lines.some(({ message }) => message === 'caches filled'));
    expect(led, 'one leads, the other stands by').to.have.length(1);
  });

  fault('API server restarted', async () => {
    const [node] = await nodesOf('restarted', 1);
    if (!node) throw new Error('no node');
    await startOne();
    const name = await request('restarted');
    const progress = await progressOf(node);
    await world().until(progress, 'downloads', ({ phase }) => phase !== undefined && phase !== 'Pending');
    await world().cluster.killApiServer();
    await world().cluster.startApiServer();
    await completes(name);
    await node.assertBootsVersion(NEW);
    await becomesUsable(node);
    expect(node.bootCount).to.equal(2);
  });

  fault('PodDisruptionBudget that never allows', async () => {
    const [node] = await nodesOf('budget', 1);
    if (!node) throw new Error('no node');
    await startOne();
    await pod('guarded', node);
    await world().apply({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'never', namespace: 'default' },
      spec: { maxUnavailable: 0, selector: { matchLabels: { app: 'guarded' } } },
    });
    await request('budget', { drain: { timeoutSeconds: 8 } });
    const progress = await progressOf(node);
    const waiting = await world().until(progress, 'waits for the budget', ({ message }) =>
      /never/.test(message ?? ''),
    );
    expect(waiting).to.include({ phase: 'Draining' });
    expect(waiting.message).to.contain('guarded');
    await expectEnd(await world().end(progress), node, {
      phase: 'Failed',
      reason: 'DrainTimeout',
      says: ['guarded', 'retryNonce'],
    });
    await becomesUsable(node);
    expect(node.bootCount, 'never rebooted').to.equal(1);
    const { stdout } = await world().cluster.kubectl([
      'get',
      'pod',
      'guarded',
      '-o',
      'jsonpath={.status.phase}',
    ]);
    expect(stdout, 'the workload still runs').to.equal('Running');
  });

  fault('pod that does not go', async () => {
    const [node] = await nodesOf('stuck', 1);
    if (!node) throw new Error('no node');
    await startOne();
    await pod('stuck', node);
    node.faults.podRemovalDelayMs = () => undefined;
    await request('stuck', { drain: { timeoutSeconds: 8 } });
    const progress = await progressOf(node);
    await expectEnd(await world().end(progress), node, {
      phase: 'Failed',
      reason: 'DrainTimeout',
      says: ['stuck', 'retryNonce'],
    });
    await becomesUsable(node);
    expect(node.bootCount, 'never rebooted').to.equal(1);
    // The image is still staged: a retry that nothing holds up downloads nothing.
    node.faults.podRemovalDelayMs = () => 50;
    await world().cluster.kubectl(['delete', 'pod', 'stuck', '--grace-period=0', '--force']);
    const requests = world().server.requests.length;
    const patch = '{"spec":{"retryNonce":"again"}}';
    await world().cluster.kubectl(['patch', 'osupgradeprogress', progress, '--type', 'merge', '-p', patch]);
    await world().until(progress, 'is completed', ({ phase }) => phase === 'Completed');
    expect(world().server.requests).to.have.length(requests);
    await node.assertBootsVersion(NEW);
    expect(OLD).to.not.equal(NEW);
  });
});
