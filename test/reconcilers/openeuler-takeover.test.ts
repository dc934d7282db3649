import { expect } from 'chai';
import type { OS } from '../../src/api/openeuler/index.ts';
import { NODES, OSINSTANCES, PODS } from '../../src/kube/resources.ts';
import type { Cluster } from '../env/cluster.ts';
import { OS_CRD, OSINSTANCE_CRD } from '../env/upstream-crds.ts';
import { osInstance, osObject, yamlOf } from '../env/upstream-kubeos.ts';
import { eventually } from '../env/wait.ts';
import { type Fleet, podBody } from './fleet-fixture.ts';
import { labelOf, startWorld, type World } from './openeuler-world.ts';

const OLD = 'KubeOS 1.0.0';

const upstreamOS = (name: string, namespace: string, osversion: string) =>
  osObject(
    name,
    {
      osversion,
      maxunavailable: 2,
      imageurl: 'https://example.invalid/os.tar',
      checksum: '0123456789abcdef'.repeat(4),
      timeinterval: 0,
      executionmode: 'serial',
      // As upstream's operator, written in Go, leaves out nothing.
      sysconfigs: { version: '', configs: null },
      upgradeconfigs: { version: '', configs: null },
    },
    namespace,
  );

const settings = {
  version: '1.0.0',
  configs: [{ model: 'kernel.sysctl', configpath: '', contents: [{ key: 'a', value: 'b', operation: '' }] }],
};

/** In the middle of an upgrade. */
const upstreamInstance = (name: string) =>
  osInstance(name, {
    nodestatus: 'upgrade',
    namespacedname: { name: 'os-sample', namespace: 'default' },
    sysconfigs: settings,
    upgradeconfigs: { version: '', configs: null },
  });

const TRACES = { [labelOf('upgrading')]: '', [labelOf('configuring')]: '', [labelOf('serial')]: '' };
const node = (name: string, labels: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { ...TRACES, ...labels } },
});

describe("a cluster that upstream KubeOS left half-way, with rights on some namespaces' OS objects alone", function () {
  this.timeout(60_000);
  let world: World;

  /** What upstream leaves when it is stopped in the middle, on nodes n1 to n3; node n4 was deleted meanwhile. */
  const leaveHalfWay = async ({ kubectl }: Cluster) => {
    await kubectl(['apply', '--server-side', '--filename=-'], { stdin: `${OS_CRD}---\n${OSINSTANCE_CRD}` });
    await kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s']);
    const namespaces = ['kubeos', 'elsewhere'].map(name => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    }));
    const stdin = yamlOf([
      ...namespaces,
      node('n1', { [labelOf('node-selector')]: 'blue' }),
      node('n2'),
      node('n3'),
      ...['n1', 'n2', 'n3', 'n4'].map(upstreamInstance),
      upstreamOS('os-sample', 'kubeos', 'KubeOS 1.0.1'),
      upstreamOS('os-other', 'elsewhere', 'KubeOS 1.0.2'),
    ]);
    // Established is a little earlier than served.
    await eventually(() => kubectl(['get', 'os,osinstances', '--all-namespaces']), {
      timeoutMs: 20_000,
      what: "upstream's kinds are served",
    });
    await kubectl(['create', '--filename=-'], { stdin });
    const status = { sysconfigs: settings };
    await kubectl([
      ...['patch', 'osinstance', 'n1', '--namespace=default', '--subresource=status', '--type=merge'],
      `--patch=${JSON.stringify({ status })}`,
    ]);
  };

  /** As the comment in config/rbac/controller.yaml says. Our agents are on n1 and n2. */
  const prepare = async ({ kubectl }: Cluster, fleet: Fleet) => {
    await kubectl(['delete', 'clusterrolebinding', 'os-controller-os']);
    for (const namespace of ['default', 'kubeos'])
      await kubectl([
        ...['create', 'rolebinding', 'os-controller-os', `--namespace=${namespace}`],
        ...['--clusterrole=os-controller-os', '--serviceaccount=mono-system:os-controller'],
      ]);
    await fleet.makeNodes({ name: 'n1', osImage: OLD }, { name: 'n2', osImage: OLD });
  };

  before(async () => {
    world = await startWorld({
      name: 'openeuler-takeover',
      controllerFlags: ['--os-namespaces', 'default', 'kubeos', 'default'],
      before: leaveHalfWay,
      prepare,
    });
  });
  after(() => world?.close());
  afterEach(function () {
    if (this.currentTest?.state === 'failed')
      for (const line of world.controller.lines) console.log(JSON.stringify(line));
  });

  const instance = async (name: string) =>
    JSON.parse(
      (await world.cluster.kubectl(['get', 'osinstance', name, '--namespace=default', '--output=json']))
        .stdout,
    );

  it('the OS that stood there goes on, though its definition is ours now', async () => {
    await world.untilComplete('os-sample', 'kubeos');
    expect(world.fleet.agents.rebooted).to.deep.equal(['n2']);
    await world.untilEvent({ kind: 'OS', namespace: 'kubeos', name: 'os-sample', reason: 'PlanCreated' });
  });

  it('labels that were left go where our agent is, save that of a person', async () => {
    for (const name of ['n1', 'n2']) await world.untilIdle(name);
    expect((await world.fleet.getNode('n1')).labels).to.include({ [labelOf('node-selector')]: 'blue' });
  });

  it('OSInstances get their node as owner, and settings in them stay', async () => {
    const { metadata, spec, status } = await instance('n1');
    const { uid } = await world.fleet.getNode('n1');
    expect(metadata.ownerReferences).to.deep.equal([{ apiVersion: 'v1', kind: 'Node', name: 'n1', uid }]);
    expect(metadata.labels).to.deep.equal({ [labelOf('osinstance-node')]: 'n1' });
    expect(spec.sysconfigs).to.deep.equal(settings);
    expect(status.sysconfigs).to.deep.equal(settings);
  });

  it('the OSInstance of a node that went meanwhile goes', () =>
    eventually(
      async () =>
        (await world.fleet.client.get(OSINSTANCES, { name: 'n4', namespace: 'default' })) === undefined,
      { timeoutMs: 10_000, what: 'the OSInstance of n4 is gone' },
    ));

  it('a node without our agent is left to upstream', async () => {
    const { labels, annotations } = await world.fleet.getNode('n3');
    expect(labels).to.include(TRACES).and.not.have.property('monok8s.io/managed');
    expect(Object.keys(annotations).filter(name => name.startsWith('monok8s.io'))).to.deep.equal([]);
    const { metadata, spec } = await instance('n3');
    expect(metadata).not.to.have.property('ownerReferences');
    expect(spec).to.deep.include({
      nodestatus: 'upgrade',
      namespacedname: { name: 'os-sample', namespace: 'default' },
    });
  });

  it('an OS of a namespace that is not served is not looked at', async () => {
    expect(await world.fleet.getOS('os-other', 'elsewhere')).not.to.have.property('status');
    expect((await world.fleet.client.get(NODES, { name: 'n2' }))?.osImage).to.equal('KubeOS 1.0.1');
  });

  it('a namespace that is served no more: its plan is taken back without a look there', async () => {
    const sourceRef = { name: 'os-other', kind: 'OS', namespace: 'elsewhere', uid: 'x' };
    const { uid } = await world.fleet.getNode('n1');
    const plan = { kind: 'rollback', rollout: 1, targetVersion: OLD, gate: { state: 'Closed', attempt: 0 } };
    world.fleet.agents.play('n1', 'stay downloading');
    const made = {
      apiVersion: 'monok8s.io/v1alpha1',
      kind: 'OSUpgradeProgress',
      metadata: { name: 'left', ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n1', uid }] },
      spec: { sourceRef, nodeName: 'n1', plan },
    };
    await world.cluster.kubectl(['create', '--filename=-'], { stdin: yamlOf([made]) });
    await eventually(async () => (await world.fleet.progresses('n1')).length === 0, {
      timeoutMs: 10_000,
      what: 'the plan is taken back',
    });
  });

  it("a node where upstream's agent still runs waits until it is stopped: two would write to one slot", async () => {
    const { fleet, cluster } = world;
    await cluster.kubectl(['create', 'namespace', 'upgrade-system']);
    const proxy = podBody({
      name: 'upgrade-proxy-n5',
      namespace: 'upgrade-system',
      nodeName: 'n5',
      app: 'upgrade-proxy',
    });
    const labels = { 'control-plane': 'upgrade-proxy' };
    await fleet.client.create(PODS, { ...proxy, metadata: { ...proxy.metadata, labels } });
    await cluster.kubectl(['create', '--filename=-'], { stdin: yamlOf([node('n5')]) });
    await fleet.makeNodes({ name: 'n5', osImage: OLD });
    const isHeld = ({ status }: OS) => status?.reason === 'KubeOSRunning';
    const { status } = await fleet.untilOS('os-sample', 'waits', isHeld, 'kubeos');
    expect(status?.message).to.contain('pod upgrade-system/upgrade-proxy-n5 of KubeOS still runs there');
    expect((await fleet.getNode('n5')).labels).to.include(TRACES);
    expect(await fleet.progresses('n5')).to.deep.equal([]);
    await fleet.client.delete(PODS, { name: 'upgrade-proxy-n5', namespace: 'upgrade-system' });
    await fleet.untilProgress('n5', 'is done', ({ status: is }) => is?.phase === 'Completed');
    await world.untilIdle('n5');
  });

  it('had all rights that it needs, and logged nothing that is a mistake', () => {
    const bad = world.controller.lines.filter(
      ({ level, message, reason }) =>
        level === 'error' || message === 'event not written' || reason === 'Forbidden',
    );
    expect(bad).to.deep.equal([]);
  });
});
