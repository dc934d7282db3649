import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { OSUpgrade } from '../../src/api/monok8s/index.ts';
import { OSUPGRADE_PROGRESSES, OSUPGRADES } from '../../src/kube/resources.ts';
import { isWrite, prepareAudit, readCalls } from '../env/audit.ts';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { type ControllerProcess, startController } from '../env/controller-process.ts';
import { eventually } from '../env/wait.ts';
import { setVersion } from './fake-agents.ts';
import { catalogOf, type Fleet, runPod, startFleet } from './fleet-fixture.ts';

describe('controller on a real API server', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let fleet: Fleet;
  let controller: ControllerProcess;
  let auditDir: string;
  let audit: Awaited<ReturnType<typeof prepareAudit>>;

  before(async () => {
    auditDir = await mkdtemp(join(tmpdir(), `twinslot-${process.pid}-audit-`));
    audit = await prepareAudit(auditDir);
    cluster = await startCluster({
      ...{ name: 'controller', scheduler: false, nodeMonitorGraceSeconds: 3600 },
      apiServerFlags: audit.flags,
    });
    await cluster.installTwinslot();
    fleet = await startFleet(cluster);
    controller = await startController(cluster, ['--allow-http-catalogs']);
  });
  after(async () => {
    await controller?.stop();
    await fleet?.close();
    await cluster?.stop();
    await rm(auditDir, { recursive: true, force: true });
  });
  afterEach(async function () {
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
    await fleet.makeManagedNodes('n1', 'n2', 'n3');
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
    expect(fleet.agents.rebooted).to.have.members(['n1', 'n2', 'n3']);
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

  it('adds less than two seconds to each node whose agent is done at once', async () => {
    const names = Array.from({ length: 10 }, (_, i) => `n${i}`);
    await fleet.makeManagedNodes(...names);
    const beganMs = performance.now();
    await fleet.request('up');
    await complete('up');
    const secondsPerNode = (performance.now() - beganMs) / 1000 / names.length;
    expect(secondsPerNode).to.be.below(2);
    console.log(`    ${secondsPerNode.toFixed(2)} s per node`);
  });

  it('a catalog behind an address is tried again until it can be read', async () => {
    await fleet.makeNodes('n1');
    let isThere = false;
    const server = createServer((_request, response) => {
      if (isThere) response.end(catalogOf('v1.35.1'));
      else response.writeHead(503).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/images.yaml`;
    try {
      await fleet.request('up', { catalog: { url } });
      const isWaiting = ({ status }: OSUpgrade) => status?.reason === 'CatalogUnreachable';
      const { status } = await fleet.untilRequest('up', 'waits', isWaiting);
      expect(status).to.include({ phase: 'Pending' });
      isThere = true;
      await complete('up');
    } finally {
      server.close();
    }
  });

  it('control-plane nodes go first, one at a time, and workers wait for them', async () => {
    const labels = { 'node-role.kubernetes.io/control-plane': '' };
    await fleet.makeManagedNodes(
      { name: 'z-cp1', labels },
      { name: 'z-cp2', labels },
      'a-worker1',
      'a-worker2',
    );
    fleet.agents.play('z-cp1', 'stage only');
    await fleet.request('up', { maxUnavailable: 3 });
    await fleet.untilProgress('z-cp1', 'has passed the gate', ({ spec }) => spec.plan?.gate.state === 'Open');
    expect(await fleet.progresses()).to.have.length(1);
    fleet.agents.play('z-cp1', 'obey');
    await complete('up');
    expect(fleet.agents.rebooted.slice(0, 2)).to.deep.equal(['z-cp1', 'z-cp2']);
    expect(fleet.agents.rebooted.slice(2)).to.have.members(['a-worker1', 'a-worker2']);
  });

  it('a failed node keeps its place in the budget, and a retry gives it back', async () => {
    await fleet.makeManagedNodes('n1', 'n2', 'n3');
    fleet.agents.play('n1', 'fail');
    await fleet.request('up');
    const { status } = await fleet.untilRequest(
      'up',
      'tells of the failure',
      ({ status }) => status?.reason === 'NodesFailed',
    );
    expect(status?.nodes).to.include({ failed: 1, waiting: 2, running: 0 });
    expect(conditionOf(status, 'Degraded')).to.include({ status: 'True', reason: 'NodesFailed' });
    expect(await fleet.progresses()).to.have.length(1);
    fleet.agents.play('n1', 'obey');
    await retry('n1', 'again');
    await complete('up');
    const [first] = await fleet.progresses('n1');
    expect(first?.status).to.include({ attempt: 2, phase: 'Completed' });
    expect(first?.spec.plan?.gate).to.include({ state: 'Open', attempt: 2 });
  });

  it('a budget of several nodes is used and never exceeded', async () => {
    await fleet.makeManagedNodes('n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7');
    await fleet.request('up', { maxUnavailable: '50%' });
    await complete('up');
    expect(fleet.agents.mostAtWork).to.equal(3);
  });

  it('a PodDisruptionBudget holds the drain, which names it, and goes on when it allows', async () => {
    await fleet.makeNodes('n1');
    await runPod(fleet.client, { name: 'web-0', nodeName: 'n1', app: 'web' });
    await cluster.kubectl([
      'create',
      'poddisruptionbudget',
      'web-pdb',
      '--selector=app=web',
      '--min-available=1',
    ]);
    await eventually(
      async () => (await pdb()).disruptionsAllowed === 0 && (await pdb()).currentHealthy === 1,
      {
        timeoutMs: 20_000,
        what: 'the budget counts its pod',
      },
    );
    await fleet.request('up');
    const { spec } = await fleet.untilProgress(
      'n1',
      'waits',
      ({ spec }) => spec.plan?.gate.reason === 'PodDisruptionBudget',
    );
    expect(spec.plan?.gate.message).to.match(
      /^pod default\/web-0 may not be evicted: PodDisruptionBudget web-pdb, since 20/,
    );
    expect((await fleet.getNode('n1')).unschedulable).to.equal(true);
    await cluster.kubectl(['delete', 'poddisruptionbudget', 'web-pdb']);
    await complete('up');
    const { stdout } = await cluster.kubectl(['get', 'pods', '--namespace=default', '--output=name']);
    expect(stdout).to.equal('');
  });

  it('a pod under two budgets, which no eviction can satisfy, is named and holds up no other', async () => {
    await fleet.makeNodes('n1');
    await runPod(fleet.client, { name: 'a-twice', nodeName: 'n1', app: 'web' });
    await runPod(fleet.client, { name: 'b-free', nodeName: 'n1', app: 'free' });
    for (const name of ['one', 'two'])
      await cluster.kubectl(['create', 'pdb', name, '--selector=app=web', '--max-unavailable=1']);
    try {
      await fleet.request('up');
      const waits = await fleet.untilProgress(
        'n1',
        'waits for the pod',
        ({ spec }) => spec.plan?.gate.reason === 'EvictionRefused',
      );
      expect(waits.spec.plan?.gate.message).to.match(/default\/a-twice .*more than one PodDisruptionBudget/);
      const { stdout } = await cluster.kubectl(['get', 'pods', '--namespace=default', '--output=name']);
      expect(stdout.trim()).to.equal('pod/a-twice');
      await cluster.kubectl(['delete', 'pdb', '--all']);
      await complete('up');
    } finally {
      await cluster.kubectl(['delete', 'pdb', '--all', '--ignore-not-found']);
    }
  });

  it('a pod that does not go ends the drain after its time, and the node serves again', async () => {
    await fleet.makeNodes('n1');
    await runPod(fleet.client, {
      name: 'stuck',
      nodeName: 'n1',
      app: 'x',
      finalizers: ['example.com/never'],
    });
    await fleet.request('up', { drain: { timeoutSeconds: 5 } });
    await fleet.untilProgress('n1', 'waits', ({ spec }) => spec.plan?.gate.reason === 'PodTerminating');
    const { status } = await fleet.untilProgress('n1', 'fails', ({ status }) => status?.phase === 'Failed');
    expect(status?.failureReason).to.equal('DrainTimeout');
    expect(status?.message).to.match(/default\/stuck .*spec.retryNonce$/);
    await untilServing('n1');
  });

  it('a node that someone else cordoned stays cordoned', async () => {
    await fleet.makeNodes('n1');
    await cluster.kubectl(['cordon', 'n1']);
    await fleet.request('up');
    await complete('up');
    expect((await fleet.getNode('n1')).unschedulable).to.equal(true);
  });

  it('the newer request owns the nodes, also after it is deleted', async () => {
    await fleet.makeManagedNodes('n1', 'n2');
    fleet.agents.play('n1', 'stay downloading');
    await fleet.request('old');
    await fleet.untilProgress('n1', 'downloads', ({ status }) => status?.phase === 'Downloading');
    await fleet.request('new', {
      version: 'v1.35.2',
      catalog: { inline: catalogOf('v1.35.2') },
      paused: true,
    });
    const cancelled = await fleet.untilProgress(
      'n1',
      'is cancelled',
      ({ status }) => status?.phase === 'Failed',
    );
    expect(cancelled.status?.failureReason).to.equal('Superseded');
    const isSuperseded = ({ status }: OSUpgrade) => conditionOf(status, 'Superseded')?.status === 'True';
    await fleet.untilRequest('old', 'is superseded', isSuperseded);
    await fleet.untilRequest('new', 'is paused', ({ status }) => status?.reason === 'Paused');
    await fleet.client.delete(OSUPGRADES, { name: 'new' });
    await retry('n1', 'try');
    await fleet.untilProgress('n1', 'is refused', ({ spec }) => spec.plan?.gate.attempt === 2);
    await fleet.untilRequest('old', 'does nothing', ({ status }) => status?.nodes?.skipped === 2);
    expect(await fleet.progresses()).to.have.length(1);
  });

  it('a changed request cancels what has not begun to drain and begins anew', async () => {
    await fleet.makeNodes('n1');
    fleet.agents.play('n1', 'stay downloading');
    await fleet.request('up');
    await fleet.untilProgress('n1', 'downloads', ({ status }) => status?.phase === 'Downloading');
    await fleet.patchRequest('up', { version: 'v1.35.2', catalog: { inline: catalogOf('v1.35.2') } });
    await fleet.untilProgress(
      'n1',
      'is cancelled',
      ({ status }) => status?.failureReason === 'RequestChanged',
    );
    fleet.agents.play('n1', 'obey');
    await complete('up');
    const targets = (await fleet.progresses('n1')).map(({ spec, status }) => [
      spec.plan?.targetVersion,
      status?.phase,
    ]);
    expect(targets).to.have.deep.members([
      ['v1.35.1', 'Failed'],
      ['v1.35.2', 'Completed'],
    ]);
  });

  it('deleting a request removes what has not begun, and lets finish what has', async () => {
    await fleet.makeManagedNodes('n1', 'n2');
    fleet.agents.play('n1', 'stay rebooting');
    fleet.agents.play('n2', 'stay downloading');
    await fleet.request('up', { maxUnavailable: 2 });
    await fleet.untilProgress('n1', 'reboots', ({ status }) => status?.phase === 'Rebooting');
    await fleet.untilProgress('n2', 'downloads', ({ status }) => status?.phase === 'Downloading');
    await fleet.client.delete(OSUPGRADES, { name: 'up' });
    await untilGone('n2');
    expect(await fleet.progresses('n1')).to.have.length(1);
    fleet.agents.play('n1', 'obey');
    await untilGone('n1');
    await untilServing('n1');
  });

  it('a rollout acts once on a node: deleting its object reinstalls nothing, a new rollout acts again', async () => {
    await fleet.makeNodes('n1');
    await fleet.request('up');
    await complete('up');
    const [done] = await fleet.progresses('n1');
    await fleet.client.delete(OSUPGRADE_PROGRESSES, { name: done?.metadata.name ?? '' });
    await setVersion(fleet.client, 'n1', 'v1.34.1');
    const { status } = await fleet.untilRequest(
      'up',
      'tells of the drift',
      ({ status }) => status?.nodes?.drifted === 1,
    );
    expect(conditionOf(status, 'Degraded')).to.include({ status: 'True', reason: 'Drifted' });
    expect(await fleet.progresses()).to.have.length(0);
  });

  it('an object that is deleted while it downloads is made again', async () => {
    await fleet.makeNodes('n1');
    fleet.agents.play('n1', 'stay downloading');
    await fleet.request('up');
    const first = await fleet.untilProgress(
      'n1',
      'downloads',
      ({ status }) => status?.phase === 'Downloading',
    );
    await fleet.client.delete(OSUPGRADE_PROGRESSES, { name: first.metadata.name });
    await fleet.untilProgress(
      'n1',
      'is made again',
      ({ metadata, status }) => metadata.uid !== first.metadata.uid && status?.phase === 'Downloading',
    );
    fleet.agents.play('n1', 'obey');
    await complete('up');
  });

  it('a node that joins later is upgraded', async () => {
    await fleet.makeNodes('n1');
    await fleet.request('up');
    await complete('up');
    await fleet.makeNodes('n2');
    await fleet.untilProgress('n2', 'is done', ({ status }) => status?.phase === 'Completed');
  });

  it('an object made by hand is adopted, and one for an unknown node fails', async () => {
    await fleet.makeNodes('n1');
    const { metadata } = await fleet.request('up', { nodeSelector: { nobody: 'has-this' } });
    await byHand('mine', 'n1', 'up');
    const adopted = await fleet.untilProgress('n1', 'is done', ({ status }) => status?.phase === 'Completed');
    expect(adopted.metadata.name).to.equal('mine');
    expect(adopted.spec.sourceRef.uid, 'not for a later request of that name').to.equal(metadata.uid);
    await byHand('lost', 'nowhere', 'up');
    const { status } = await fleet.untilProgress(
      'nowhere',
      'fails',
      ({ status }) => status?.phase === 'Failed',
    );
    expect(status?.failureReason).to.equal('NodeNotFound');
    await byHand('orphan', 'n1', 'no-such-request');
    const orphan = await fleet.untilProgress(
      'n1',
      'is refused',
      ({ status }) => status?.failureReason === 'RequestNotFound',
    );
    expect(orphan.metadata.name).to.equal('orphan');
  });

  it('a ConfigMap catalog waits for the permission, and begins by itself', async () => {
    await fleet.makeNodes('n1');
    await cluster.kubectl([
      'create',
      'configmap',
      'images-cm',
      '--namespace=mono-system',
      `--from-literal=catalog.yaml=${catalogOf('v1.35.1')}`,
    ]);
    await fleet.request('up', { version: 'stable', catalog: { configMap: 'images-cm' } });
    const { status } = await fleet.untilRequest(
      'up',
      'waits',
      ({ status }) => status?.reason === 'CatalogForbidden',
    );
    expect(status?.phase).to.equal('Pending');
    expect(status?.message).to.contain('kubectl edit clusterrole os-controller-catalogs');
    const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }];
    await cluster.kubectl([
      'patch',
      'clusterrole',
      'os-controller-catalogs',
      '--type=merge',
      `--patch=${JSON.stringify({ rules })}`,
    ]);
    await complete('up');
  });

  it('rejects a downgrade, and says what it resolved', async () => {
    await fleet.makeNodes('n1');
    await fleet.request('down', { version: 'v1.33.2', catalog: { inline: catalogOf('v1.33.2') } });
    const { status } = await fleet.untilRequest(
      'down',
      'is rejected',
      ({ status }) => status?.phase === 'Rejected',
    );
    expect(status).to.include({ reason: 'Downgrade', resolvedVersion: 'v1.33.2' });
  });

  it('writes nothing when nothing changes', async () => {
    await fleet.makeManagedNodes('n1', 'n2');
    fleet.agents.play('n2', 'stage only');
    await fleet.request('up');
    await fleet.untilProgress('n2', 'has passed the gate', ({ spec }) => spec.plan?.gate.state === 'Open');
    await fleet.untilRequest(
      'up',
      'works on n2',
      ({ status }) => status?.nodes?.running === 1 && status.nodes.updated === 1,
    );
    await untilServing('n1');
    // The API server's account: the control plane's own controllers write to Nodes as well, a taint for one.
    const writes = async () => (await readCalls(audit.file)).filter(isWrite);
    const before = await untilStable(async () => (await writes()).length, 'the writes of the controller');
    // Wakes everything up: a change that nothing follows from.
    await cluster.kubectl(['label', 'node', 'n1', 'some=label']);
    await cluster.kubectl(['annotate', 'osupgrade', 'up', 'some=note']);
    await new Promise(resolve => setTimeout(resolve, 3000));
    expect((await writes()).slice(before)).to.deep.equal([]);
  });

  it('a second controller takes over when the first one dies, and both together keep the budget', async () => {
    await fleet.makeManagedNodes('n1', 'n2', 'n3', 'n4', 'n5', 'n6');
    const second = await startController(cluster);
    try {
      fleet.agents.play('n3', 'stage only');
      await fleet.request('up');
      await fleet.untilProgress('n3', 'is staged', ({ status }) => status?.phase === 'Staged');
      controller.signal('SIGSTOP');
      await second.untilLogged('caches filled');
      controller.signal('SIGCONT');
      fleet.agents.play('n3', 'obey');
      await complete('up');
      expect(fleet.agents.mostAtWork).to.equal(1);
      expect(fleet.agents.rebooted).to.have.length(6);
    } finally {
      expect(await second.stop()).to.equal(0);
    }
  });

  it('had all rights that it needs, and logged nothing that is a mistake', () => {
    const bad = controller.lines.filter(
      ({ level, message, reason }) =>
        level === 'error' || message === 'event not written' || reason === 'Forbidden',
    );
    expect(bad).to.deep.equal([]);
  });

  it('goes on after the API server was restarted', async () => {
    await fleet.makeManagedNodes('n1', 'n2');
    fleet.agents.play('n1', 'stage only');
    await fleet.request('up');
    await fleet.untilProgress('n1', 'has passed the gate', ({ spec }) => spec.plan?.gate.state === 'Open');
    await cluster.killApiServer();
    await cluster.startApiServer();
    fleet.agents.play('n1', 'obey');
    await complete('up');
  });

  const conditionOf = (status: OSUpgrade['status'], type: string) =>
    status?.conditions?.find(condition => condition.type === type);

  const retry = async (node: string, retryNonce: string) => {
    const [progress] = await fleet.progresses(node);
    const name = progress?.metadata.name ?? '';
    await fleet.client.patch(
      OSUPGRADE_PROGRESSES,
      { name },
      { type: 'merge', body: { spec: { retryNonce } } },
    );
  };

  const byHand = (name: string, nodeName: string, request: string) =>
    fleet.client.create(OSUPGRADE_PROGRESSES, {
      apiVersion: 'monok8s.io/v1alpha1',
      kind: 'OSUpgradeProgress',
      metadata: { name },
      spec: { sourceRef: { name: request }, nodeName },
    });

  const untilServing = (name: string) =>
    eventually(
      async () => {
        const { unschedulable, annotations } = await fleet.getNode(name);
        return !unschedulable && annotations['monok8s.io/cordoned-by'] === undefined;
      },
      { timeoutMs: 10_000, what: `${name} serves again` },
    );

  const untilGone = (node: string) =>
    eventually(async () => (await fleet.progresses(node)).length === 0, {
      timeoutMs: 10_000,
      what: `the object of ${node} is gone`,
    });

  const pdb = async (): Promise<Record<string, unknown>> => {
    const { stdout } = await cluster.kubectl([
      'get',
      'poddisruptionbudget',
      'web-pdb',
      '--output=jsonpath={.status}',
    ]);
    return stdout === '' ? {} : JSON.parse(stdout);
  };

  /** Waits until what `read` gives was the same for a second. */
  const untilStable = async <T>(read: () => Promise<T>, what: string): Promise<T> => {
    let last = await read();
    return eventually(
      async () => {
        const [before, now] = [last, await read()];
        last = now;
        return before === now && { now };
      },
      { timeoutMs: 20_000, everyMs: 1000, what: `${what} are at rest` },
    ).then(({ now }) => now);
  };
});
