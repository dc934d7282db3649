import { expect } from 'chai';
import { type OSUpgrade, type OSUpgradeProgress, OSUpgradeSpec } from '../../src/api/monok8s/index.ts';
import { type OS, type OSInstance, OSSpec } from '../../src/api/openeuler/index.ts';
import { describeNodes, type FleetObjects } from '../../src/cli/fleet.ts';
import { describeRequests } from '../../src/cli/fleet-requests.ts';
import { drawNodes, drawRequests } from '../../src/cli/fleet-view.ts';
import type { NodeFacts } from '../../src/domain/node.ts';

const NOW_MS = Date.parse('2026-11-21T12:00:00Z');
const PLAIN = { width: 100, hasColour: false };
const MIB = 2 ** 20;

let count = 0;
const metadata = (name: string) => {
  count += 1;
  const creationTimestamp = new Date(NOW_MS + count * 1000).toISOString();
  return { name, uid: `uid-${count}`, resourceVersion: `${count}`, creationTimestamp };
};

const upgrade = (name: string, version: string, status?: OSUpgrade['status']): OSUpgrade => ({
  apiVersion: 'monok8s.io/v1alpha1',
  kind: 'OSUpgrade',
  metadata: metadata(name),
  spec: OSUpgradeSpec.parse({ version, catalog: { configMap: 'images-cm' } }),
  ...(status && { status }),
});

const os = (name: string, spec: Partial<OS['spec']>, status?: OS['status']): OS => ({
  apiVersion: 'upgrade.openeuler.org/v1alpha1',
  kind: 'OS',
  metadata: { ...metadata(name), namespace: 'default' },
  spec: OSSpec.parse({ osversion: 'KubeOS 1.0.1', opstype: 'upgrade', maxunavailable: 1, ...spec }),
  ...(status && { status }),
});

const progress = (nodeName: string, status?: OSUpgradeProgress['status']): OSUpgradeProgress => ({
  apiVersion: 'monok8s.io/v1alpha1',
  kind: 'OSUpgradeProgress',
  metadata: metadata(`progress-${count}`),
  spec: { sourceRef: { name: 'my-upgrade-2' }, nodeName },
  ...(status && { status }),
});

const node = (name: string, facts: Partial<NodeFacts> = {}): NodeFacts => ({
  name,
  uid: name,
  resourceVersion: '1',
  labels: { 'monok8s.io/managed': 'true' },
  annotations: {},
  unschedulable: false,
  ready: true,
  bootId: '',
  osImage: '',
  ...facts,
});

const instance = (name: string, version: string): OSInstance => ({
  apiVersion: 'upgrade.openeuler.org/v1alpha1',
  kind: 'OSInstance',
  metadata: metadata(name),
  spec: {},
  status: { slots: [{ name: 'A', booted: true, default: true, version, prettyName: `KubeOS ${version}` }] },
});

const fleet = (objects: Partial<FleetObjects>): FleetObjects => ({
  upgrades: [],
  oses: [],
  progresses: [],
  instances: [],
  nodes: [],
  ...objects,
});

const versions = { currentVersion: 'v1.34.1', targetVersion: 'v1.35.3' };

describe('the picture of the fleet', () => {
  it('shows requests with counts and what they have to say', () => {
    const parts = { total: 3, updated: 1, running: 1, waiting: 1, failed: 0, skipped: 0, drifted: 0 };
    const upgrades = [
      upgrade('my-downgrade-1', 'v1.33.2', {
        phase: 'Rejected',
        resolvedVersion: 'v1.33.2',
        reason: 'Downgrade',
        message: 'v1.33.2 is older than v1.34.1, which all nodes run: ask for a newer version',
      }),
      upgrade('my-upgrade-3', 'stable', { phase: 'Accepted', resolvedVersion: 'v1.35.4', nodes: parts }),
      upgrade('nobody-looked', 'v1.35.4'),
    ];
    expect(drawRequests(describeRequests(fleet({ upgrades })), PLAIN)).to.deep.equal([
      'REQUEST         OPERATION  VERSION           PHASE     NODES',
      'my-downgrade-1  upgrade    v1.33.2           Rejected  -',
      '    v1.33.2 is older than v1.34.1, which all nodes run: ask for a newer version',
      'my-upgrade-3    upgrade    stable = v1.35.4  Accepted  3 nodes: 1 updated, 1 running, 1 waiting',
      'nobody-looked   upgrade    v1.35.4           New       -',
      '    no controller has looked at it yet',
    ]);
  });

  it('shows the requests of both APIs in the order of their age', () => {
    const parts = { total: 5, updated: 0, running: 2, waiting: 3, failed: 0, skipped: 0, drifted: 0 };
    const objects = fleet({
      oses: [
        os('os-sample', {}, { phase: 'Accepted', nodes: parts, message: '0 of 5 nodes run KubeOS 1.0.1' }),
        os('os-back', { osversion: 'KubeOS 1.0.0', opstype: 'rollback' }),
      ],
      upgrades: [
        upgrade('my-upgrade', 'v1.35.4', { phase: 'Pending', message: 'the catalog is being read' }),
      ],
    });
    expect(drawRequests(describeRequests(objects), PLAIN)).to.deep.equal([
      'REQUEST            OPERATION  VERSION       PHASE     NODES',
      'default/os-sample  upgrade    KubeOS 1.0.1  Accepted  5 nodes: 2 running, 3 waiting',
      '    0 of 5 nodes run KubeOS 1.0.1',
      'default/os-back    rollback   KubeOS 1.0.0  New       -',
      '    no controller has looked at it yet',
      'my-upgrade         upgrade    v1.35.4       Pending   -',
      '    the catalog is being read',
    ]);
  });

  it('tells which requests were superseded, wholly or in part', () => {
    const lost = {
      type: 'Superseded',
      status: 'True',
      reason: 'Superseded',
      message: 'OS b is newer (n1)',
    } as const;
    const objects = fleet({
      oses: [
        os(
          'whole',
          {},
          { phase: 'Accepted', reason: 'Superseded', message: 'all taken', conditions: [lost] },
        ),
        os('part', {}, { phase: 'Accepted', reason: 'Complete', message: '1 of 2', conditions: [lost] }),
      ],
    });
    const rows = describeRequests(objects).map(({ phase, message }) => [phase, message]);
    expect(rows).to.deep.equal([
      ['Superseded', 'all taken'],
      ['Accepted', '1 of 2; OS b is newer (n1)'],
    ]);
  });

  it('tells of an agent that says nothing, and leaves failures to the nodes', () => {
    const condition = (reason: string, message: string) => ({
      conditions: [{ type: 'Degraded', status: 'True' as const, reason, message }],
    });
    const status = { phase: 'Accepted' as const, message: 'works on n1' };
    const oses = [
      os('a', {}, { ...status, ...condition('AgentSilent', 'n1 says nothing') }),
      os('b', {}, { ...status, ...condition('NodesFailed', 'n1 (DrainTimeout: …)') }),
      os('c', {}, { phase: 'Rejected', message: 'no', ...condition('ImageMissing', 'no') }),
    ];
    expect(describeRequests(fleet({ oses })).map(({ message }) => message)).to.deep.equal([
      'works on n1; n1 says nothing',
      'works on n1',
      'no',
    ]);
  });

  it('counts versions of idle nodes as the request does that began last', () => {
    const started = (seconds: number) => ({
      phase: 'Accepted' as const,
      rolloutStartedAt: new Date(NOW_MS + seconds * 1000).toISOString(),
    });
    const common = { nodes: [node('n1')], instances: [instance('n1', '1.0.0')] };
    const shown = (objects: Partial<FleetObjects>) =>
      describeNodes(fleet({ ...common, ...objects }), NOW_MS)[0]?.current;
    expect(shown({})).to.equal('1.0.0');
    expect(shown({ oses: [os('o', {})] })).to.equal('KubeOS 1.0.0');
    const upgrades = [upgrade('u', 'v1.35.3', started(5))];
    expect(shown({ upgrades, oses: [os('o', {}, started(1))] })).to.equal('1.0.0');
    expect(shown({ upgrades, oses: [os('o', {}, started(9))] })).to.equal('KubeOS 1.0.0');
  });

  it('keeps long KubeOS versions apart, and what follows them in sight', () => {
    const versions = {
      currentVersion: 'KubeOS 2.0.0-24.03-LTS-SP1 (aarch64)',
      targetVersion: 'KubeOS 2.0.0-24.03-LTS-SP2 (aarch64)',
    };
    const bytes = { bytesDone: 96 * MIB, bytesTotal: 256 * MIB };
    const progresses = [progress('edge-node-7', { ...versions, phase: 'Downloading', progress: bytes })];
    const objects = fleet({ nodes: [node('edge-node-7', { unschedulable: true })], progresses });
    expect(drawNodes(describeNodes(objects, NOW_MS), PLAIN)).to.deep.equal([
      'NODE         VERSION                         PHASE        PROGRESS',
      'edge-node-7  KubeOS 2.0.0… → …SP2 (aarch64)  Downloading  ██████░░░░░░░░░░  37% of 256 MiB  cordoned',
    ]);
  });

  it('shows nodes with versions, bars, times and what they wait for', () => {
    const objects = fleet({
      nodes: ['node-10', 'node-2', 'node-3', 'node-4'].map(name => node(name)),
      instances: [instance('node-2', 'v1.34.1'), instance('node-10', 'v1.34.1')],
      progresses: [
        progress('node-3', {
          ...versions,
          phase: 'Downloading',
          progress: { bytesDone: 96 * MIB, bytesTotal: 256 * MIB },
        }),
        progress('node-4', {
          ...versions,
          phase: 'Draining',
          message: 'waits for pod default/web-1: PodDisruptionBudget web allows none',
          history: [{ phase: 'Draining', startedAt: '2026-11-21T11:58:45Z', endedAt: null }],
        }),
        progress('node-10', {
          currentVersion: 'v1.35.3',
          targetVersion: 'v1.35.3',
          phase: 'Completed',
          startedAt: '2026-11-21T11:50:00Z',
          completedAt: '2026-11-21T11:54:12Z',
          message: 'runs v1.35.3',
        }),
      ],
    });
    expect(drawNodes(describeNodes(objects, NOW_MS), PLAIN)).to.deep.equal([
      'NODE     VERSION            PHASE        PROGRESS',
      'node-2   v1.34.1            Idle',
      'node-3   v1.34.1 → v1.35.3  Downloading  ██████░░░░░░░░░░  37% of 256 MiB',
      'node-4   v1.34.1 → v1.35.3  Draining     1m15s',
      '    waits for pod default/web-1: PodDisruptionBudget web allows none',
      'node-10  v1.35.3            Completed    took 4m12s',
    ]);
  });

  it('shows what is wrong with a node', () => {
    const objects = fleet({
      nodes: [node('node-1', { ready: false, unschedulable: true }), node('not-managed', { labels: {} })],
      progresses: [
        progress('node-1', {
          ...versions,
          phase: 'Failed',
          failureReason: 'DrainTimeout',
          message: 'gave up',
        }),
        progress('typo', undefined),
      ],
    });
    expect(drawNodes(describeNodes(objects, NOW_MS), PLAIN)).to.deep.equal([
      'NODE    VERSION            PHASE    PROGRESS',
      'node-1  v1.34.1 → v1.35.3  Failed             NotReady, cordoned',
      '    DrainTimeout: gave up',
      'typo    ?                  Pending            no such node',
    ]);
  });

  it('shows what a node works on rather than what it has finished', () => {
    const working = progress('node-1', { ...versions, phase: 'Staged' });
    const objects = fleet({
      progresses: [
        progress('node-1', { ...versions, phase: 'Failed' }),
        working,
        progress('node-1', { ...versions, phase: 'Completed' }),
      ],
    });
    expect(describeNodes(objects, NOW_MS)[0]?.phase).to.equal('Staged');
    const ended = { ...objects, progresses: objects.progresses.filter(item => item !== working) };
    expect(describeNodes(ended, NOW_MS)[0]?.phase).to.equal('Completed');
  });

  it('shows bytes alone while the total is not known', () => {
    const progresses = [
      progress('n', { phase: 'Downloading', progress: { bytesDone: 3 * MIB, bytesTotal: 0 } }),
    ];
    expect(drawNodes(describeNodes(fleet({ progresses }), NOW_MS), PLAIN)[1]).to.contain('3.0 MiB');
  });

  it('never draws a line over the width, whatever names and messages are', () => {
    const long = 'x'.repeat(253);
    const status = {
      currentVersion: long,
      targetVersion: long,
      phase: 'Downloading',
      message: `${long} ${long}`,
    } as const;
    const objects = fleet({
      nodes: [node(long, { ready: false, unschedulable: true })],
      progresses: [progress(long, { ...status, progress: { bytesDone: 1, bytesTotal: 2 } })],
      upgrades: [upgrade(long, `v1.0.0-${'a'.repeat(100)}`, { phase: 'Pending', message: long })],
    });
    for (const width of [60, 100]) {
      const lines = [
        ...drawRequests(describeRequests(objects), { ...PLAIN, width }),
        ...drawNodes(describeNodes(objects, NOW_MS), { ...PLAIN, width }),
      ];
      for (const line of lines) expect(line.length, line).to.be.at.most(width);
    }
  });

  it('says what to do where there is nothing', () => {
    expect(drawRequests([], PLAIN)).to.deep.equal([
      'No requests. Make one: see kubectl explain osupgrade.spec, or os.spec for KubeOS',
    ]);
    expect(drawNodes([], PLAIN)).to.deep.equal([
      'No nodes with an agent. Install it: ctl create all --image IMAGE',
    ]);
  });

  it('colours the phase alone', () => {
    const rows = describeRequests(fleet({ upgrades: [upgrade('a', 'v1', { phase: 'Rejected' })] }));
    expect(drawRequests(rows, { ...PLAIN, hasColour: true })[1]).to.equal(
      'a        upgrade    v1       \x1b[31mRejected\x1b[39m  -',
    );
  });
});
