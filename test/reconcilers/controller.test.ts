import { expect } from 'chai';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { eventually } from '../env/wait.ts';
import { type ControllerProcess, startController } from './controller-process.ts';
import { type Fleet, startFleet } from './fleet-fixture.ts';

describe('controller on a real API server', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let fleet: Fleet;
  let controller: ControllerProcess;

  before(async () => {
    cluster = await startCluster({ name: 'controller', scheduler: false, nodeMonitorGraceSeconds: 3600 });
    await cluster.installTwinslot();
    fleet = await startFleet(cluster);
    controller = await startController(cluster);
  });
  after(async () => {
    await controller?.stop();
    await fleet?.close();
    await cluster?.stop();
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed')
      for (const line of controller.lines) console.log(JSON.stringify(line));
    return fleet.clear();
  });

  const complete = (name: string) =>
    fleet.untilRequest(name, 'is complete', ({ status }) =>
      (status?.conditions ?? []).some(({ type, status: is }) => type === 'Complete' && is === 'True'),
    );

  it('runs as its own ServiceAccount', () => {
    expect(controller.username).to.equal('system:serviceaccount:mono-system:os-controller');
  });

  it('upgrades node after node', async () => {
    await fleet.makeNodes('n1', 'n2', 'n3');
    await fleet.request('up');
    const { status } = await complete('up');
    expect(status?.nodes).to.deep.equal({
      total: 3,
      updated: 3,
      running: 0,
      waiting: 0,
      failed: 0,
      skipped: 0,
      drifted: 0,
    });
    expect(status?.phase).to.equal('Accepted');
    expect(fleet.agents.rebooted).to.deep.equal(['n1', 'n2', 'n3']);
    expect(fleet.agents.mostAtWork).to.equal(1);
    for (const name of ['n1', 'n2', 'n3']) {
      await eventually(async () => !(await fleet.getNode(name)).unschedulable, {
        timeoutMs: 5000,
        what: 'uncordoned',
      });
      const { labels, annotations } = await fleet.getNode(name);
      expect(labels['monok8s.io/managed']).to.equal('true');
      expect(annotations).not.to.have.property('monok8s.io/cordoned-by');
    }
  });
});
