import { expect } from 'chai';
import { stringify } from 'yaml';
import { type Cluster, startCluster } from '../env/cluster.ts';

const CATALOG = { url: 'https://images.example.com/images.yaml' };

/** A request with nothing but what it needs, changed by `spec`. */
const upgrade = (name: string, spec: object): string =>
  stringify({
    apiVersion: 'monok8s.io/v1alpha1',
    kind: 'OSUpgrade',
    metadata: { name },
    spec: { version: 'v1.35.1', catalog: CATALOG, ...spec },
  });

const progress = (name: string, spec: object, status?: object): string =>
  stringify({
    apiVersion: 'monok8s.io/v1alpha1',
    kind: 'OSUpgradeProgress',
    metadata: { name },
    spec: { sourceRef: { name: 'my-upgrade-2' }, nodeName: 'node-1', ...spec },
    ...(status && { status }),
  });

describe('the API server and our kinds', function () {
  this.timeout(60_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ name: 'api', controllerManager: false, scheduler: false });
    await cluster.installTwinslot();
  });
  after(() => cluster?.stop());

  const apply = (stdin: string) => cluster.kubectl(['apply', '--filename=-'], { stdin, allowFailure: true });
  const readJson = async (...args: string[]) =>
    JSON.parse((await cluster.kubectl(['get', '--output=json', ...args])).stdout);

  describe('accepts an OSUpgrade', () => {
    const accepted: { name: string; spec: object }[] = [
      { name: 'with an empty nodeSelector', spec: { nodeSelector: {} } },
      { name: 'with nodeSelector: null', spec: { nodeSelector: null } },
      { name: 'for stable', spec: { version: 'stable' } },
      { name: 'without the leading v', spec: { version: '1.35.1' } },
      { name: 'for a pre-release', spec: { version: 'v1.36.0-rc.1+build.7' } },
      { name: 'with an inline catalog', spec: { catalog: { inline: 'images: []' } } },
      { name: 'with a ConfigMap catalog', spec: { catalog: { configMap: 'images-cm' } } },
      { name: 'with a number as budget', spec: { maxUnavailable: 3 } },
      { name: 'with a percentage as budget', spec: { maxUnavailable: '25%' } },
      { name: 'with a daily window', spec: { timeWindow: { startTime: '23:00:00', endTime: '05:00:00' } } },
      {
        name: 'with a window of one day and a zone',
        spec: {
          timeWindow: {
            startTime: '2026-12-01 23:00:00',
            endTime: '2026-12-02 05:00:00',
            timeZone: 'Europe/Berlin',
          },
        },
      },
      { name: 'with a part of the drain policy', spec: { drain: { timeoutSeconds: 60 } } },
    ];
    for (const [index, { name, spec }] of accepted.entries())
      it(name, async () => {
        const { code, stderr } = await apply(upgrade(`good-${index}`, spec));
        expect(code, stderr).to.equal(0);
      });
  });

  describe('refuses an OSUpgrade', () => {
    const refused: { name: string; spec: object; want: RegExp }[] = [
      { name: 'without a version', spec: { version: undefined }, want: /spec\.version: Required value/ },
      { name: 'whose version is a word', spec: { version: 'latest' }, want: /spec\.version.*should match/ },
      { name: 'without a catalog', spec: { catalog: undefined }, want: /spec\.catalog: Required value/ },
      { name: 'with an empty catalog', spec: { catalog: {} }, want: /exactly one of catalog\.inline/ },
      {
        name: 'with two catalogs',
        spec: { catalog: { ...CATALOG, configMap: 'images-cm' } },
        want: /exactly one of catalog\.inline, catalog\.url and catalog\.configMap/,
      },
      {
        name: 'with a catalog at a file address',
        spec: { catalog: { url: 'file:///etc/passwd' } },
        want: /spec\.catalog\.url.*should match/,
      },
      { name: 'with a budget of 0', spec: { maxUnavailable: 0 }, want: /spec\.maxUnavailable/ },
      { name: 'with a budget of 0%', spec: { maxUnavailable: '0%' }, want: /spec\.maxUnavailable/ },
      { name: 'with a budget of 101%', spec: { maxUnavailable: '101%' }, want: /spec\.maxUnavailable/ },
      { name: 'with a budget in words', spec: { maxUnavailable: 'all' }, want: /spec\.maxUnavailable/ },
      {
        name: 'whose window mixes forms',
        spec: { timeWindow: { startTime: '2026-12-01 23:00:00', endTime: '05:00:00' } },
        want: /must have the same form/,
      },
      {
        name: 'whose window is empty',
        spec: { timeWindow: { startTime: '05:00:00', endTime: '05:00:00' } },
        want: /must differ/,
      },
      {
        name: 'whose window has no such hour',
        spec: { timeWindow: { startTime: '25:00:00', endTime: '05:00:00' } },
        want: /startTime.*should match/,
      },
      {
        name: 'with a drain that never waits',
        spec: { drain: { timeoutSeconds: 0 } },
        want: /spec\.drain\.timeoutSeconds/,
      },
      {
        name: 'with a field that there is not',
        spec: { versoin: 'v1' },
        want: /unknown field "spec\.versoin"/,
      },
    ];
    for (const { name, spec, want } of refused)
      it(name, async () => {
        const { code, stderr } = await apply(upgrade('bad', spec));
        expect(code).to.equal(1);
        expect(stderr).to.match(want);
      });
  });

  it('fills in the defaults', async () => {
    await apply(upgrade('defaults', { nodeSelector: null }));
    const { spec } = await readJson('osupgrade', 'defaults');
    expect(spec).to.deep.equal({
      version: 'v1.35.1',
      catalog: CATALOG,
      nodeSelector: {},
      maxUnavailable: 1,
      paused: false,
      drain: { timeoutSeconds: 1800, force: true, deleteEmptyDirData: true, skip: false },
    });
  });

  it('applies the sample objects of the document, times of null included', async () => {
    const status = {
      currentVersion: 'v1.34.1',
      targetVersion: 'v1.35.3',
      phase: 'Downloading',
      startedAt: null,
      completedAt: null,
      lastUpdatedAt: null,
      retryCount: 0,
      inactivePartition: 'B',
      failureReason: '',
      message: '',
    };
    const { code, stderr } = await apply(progress('osupgrade-abc123f', {}, status));
    expect(code, stderr).to.equal(0);
    const body = JSON.stringify({ status });
    const patch = ['patch', 'osupgradeprogress', 'osupgrade-abc123f', '--subresource=status', '--type=merge'];
    await cluster.kubectl([...patch, '--patch', body]);
    const read = await readJson('osupgradeprogress', 'osupgrade-abc123f');
    expect(read.status.phase).to.equal('Downloading');
    expect(read.status.inactivePartition).to.equal('B');
  });

  it('prints the columns of the documents', async () => {
    await apply(upgrade('columns', {}));
    await apply(progress('columns', {}));
    const header = async (kind: string) =>
      (await cluster.kubectl(['get', kind])).stdout.split('\n')[0]?.trim().split(/ +/).join(' ');
    expect(await header('osupgrades')).to.equal('NAME DESIRED RESOLVED PHASE');
    expect(await header('osupgradeprogresses')).to.equal('NAME NODE SOURCE CURRENT TARGET STATUS');
  });

  it('finds the progress objects of one node by field', async () => {
    await apply(progress('on-n1', { nodeName: 'n1' }));
    await apply(progress('on-n2', { nodeName: 'n2' }));
    const { stdout } = await cluster.kubectl([
      ...['get', 'osupgradeprogresses', '--field-selector=spec.nodeName=n2', '--output=name'],
    ]);
    expect(stdout.trim()).to.equal('osupgradeprogress.monok8s.io/on-n2');
  });

  describe('refuses an OSUpgradeProgress', () => {
    const gate = { state: 'Closed', attempt: 1 };
    const plan = { kind: 'upgrade', rollout: 1, targetVersion: 'v1.35.1', gate };
    const refused: { name: string; spec: object; want: RegExp }[] = [
      { name: 'without a node', spec: { nodeName: undefined }, want: /spec\.nodeName: Required value/ },
      { name: 'without a source', spec: { sourceRef: undefined }, want: /spec\.sourceRef: Required value/ },
      { name: 'of an unknown plan', spec: { plan: { ...plan, kind: 'wipe' } }, want: /spec\.plan\.kind/ },
      {
        name: 'whose gate has an unknown state',
        spec: { plan: { ...plan, gate: { ...gate, state: 'Ajar' } } },
        want: /spec\.plan\.gate\.state/,
      },
    ];
    for (const { name, spec, want } of refused)
      it(name, async () => {
        const { code, stderr } = await apply(progress('bad', spec));
        expect(code).to.equal(1);
        expect(stderr).to.match(want);
      });

    it('whose node is changed', async () => {
      await apply(progress('moving', { nodeName: 'n1' }));
      const { code, stderr } = await apply(progress('moving', { nodeName: 'n2' }));
      expect(code).to.equal(1);
      expect(stderr).to.contain('nodeName is immutable: create another object for another node');
    });
  });

  it('takes the retry of the document', async () => {
    await apply(progress('retried', {}));
    const patch = '{"spec":{"retryNonce":"retry-1"}}';
    await cluster.kubectl(['patch', 'osupgradeprogress', 'retried', '--type', 'merge', '-p', patch]);
    expect((await readJson('osupgradeprogress', 'retried')).spec.retryNonce).to.equal('retry-1');
  });

  it('keeps settings of any shape in an OSInstance', async () => {
    const contents = [
      { key: 'a', value: 7 },
      { key: 'b', value: { deep: [true] } },
      { key: 'c', value: 'text' },
    ];
    const sysconfigs = { version: 'v1', configs: [{ model: 'kernel.sysctl', contents }] };
    const { code, stderr } = await apply(
      stringify({
        apiVersion: 'upgrade.openeuler.org/v1alpha1',
        kind: 'OSInstance',
        metadata: { name: 'node-1', namespace: 'default' },
        spec: { nodestatus: 'idle', sysconfigs },
      }),
    );
    expect(code, stderr).to.equal(0);
    const { spec } = await readJson('osinstance', 'node-1', '--namespace=default');
    expect(spec.sysconfigs).to.deep.equal(sysconfigs);
  });
});
