import { join } from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { ROOT } from '../../tools/lib/paths.mjs';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { type ControllerProcess, startController } from '../env/controller-process.ts';
import { OLD_OS_CRD, OS_CRD, OSINSTANCE_CRD } from '../env/upstream-crds.ts';
import { eventually } from '../env/wait.ts';

const HEX = '0123456789abcdef'.repeat(4);
const PATH = '/apis/upgrade.openeuler.org/v1alpha1/namespaces/default';

const os = (name: string, spec: object | undefined) => ({
  apiVersion: 'upgrade.openeuler.org/v1alpha1',
  kind: 'OS',
  metadata: { name, namespace: 'default' },
  ...(spec && { spec }),
});

/** The samples of the document for openEuler 22.09, their placeholders filled in. */
const DISK = {
  imagetype: 'disk',
  opstype: 'upgrade',
  osversion: 'KubeOS 1.0.1',
  maxunavailable: 2,
  dockerimage: '',
  imageurl: 'https://images.example/os.tar',
  checksum: HEX,
  flagSafe: false,
  mtls: true,
  cacert: 'ca.crt',
  clientcert: 'client.crt',
  clientkey: 'client.key',
};
const DOCKER = {
  imagetype: 'docker',
  opstype: 'upgrade',
  osversion: 'KubeOS 1.0.1',
  maxunavailable: 2,
  dockerimage: 'repository/name:tag',
  imageurl: '',
  checksum: '',
  flagSafe: false,
  mtls: true,
};
const ROLLBACK = {
  imagetype: '',
  opstype: 'rollback',
  osversion: 'KubeOS 1.0.0',
  maxunavailable: 2,
  dockerimage: '',
  imageurl: '',
  checksum: '',
  flagSafe: false,
  mtls: true,
};
/** Upstream's sample of today, without its settings. */
const CURRENT = {
  imagetype: 'docker',
  opstype: 'upgrade',
  osversion: 'KubeOS 1.0.1',
  maxunavailable: 2,
  containerimage: 'repository/name:tag',
  evictpodforce: true,
  imageurl: '',
  checksum: '',
  flagSafe: true,
  mtls: false,
  cacert: '',
  clientcert: '',
  clientkey: '',
  nodeselector: 'edit.node.selector',
  timewindow: { starttime: '2026-01-01 00:00:00', endtime: '2026-01-02 00:00:00' },
  timeinterval: 30,
  executionmode: 'serial',
};

describe('the openEuler API on a real API server', function () {
  this.timeout(60_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ name: 'openeuler-api', controllerManager: false, scheduler: false });
  });
  after(() => cluster?.stop());

  const apply = (object: object) =>
    cluster.kubectl(['apply', '--filename=-'], { stdin: stringify(object), allowFailure: true });
  /** As a client that is no kubectl: the body as it is, nothing checked before. */
  const raw = async (verb: 'create' | 'replace', path: string, body: object) => {
    const command = [verb, '--raw', `${PATH}/${path}`, '--filename=-'];
    const { code, stderr } = await cluster.kubectl(command, {
      stdin: JSON.stringify(body),
      allowFailure: true,
    });
    expect(code, stderr).to.equal(0);
  };
  const read = async (kind: string, name: string) =>
    JSON.parse((await cluster.kubectl(['get', kind, name, '--output=json'])).stdout);
  const header = async (kind: string) =>
    (await cluster.kubectl(['get', kind])).stdout.split('\n')[0]?.trim().split(/ {2,}/);

  describe('with our CRDs', () => {
    before(() => cluster.installTwinslot());

    const samples = { disk: DISK, docker: DOCKER, rollback: ROLLBACK, current: CURRENT };
    for (const [name, spec] of Object.entries(samples))
      it(`takes the sample "${name}" without a word`, async () => {
        const { code, stdout, stderr } = await apply(os(name, spec));
        expect(code, stderr).to.equal(0);
        expect(stderr).to.equal('');
        expect(stdout).to.contain('created');
        expect((await read('os', name)).spec).to.include(spec === CURRENT ? { timeinterval: 30 } : spec);
      });

    it('fills in what upstream fills in', async () =>
      expect((await read('os', 'disk')).spec).to.include({
        nodeselector: 'no-label',
        timeinterval: 15,
        executionmode: 'parallel',
      }));

    const refused: [string, object, RegExp][] = [
      [
        'another opstype',
        { ...DISK, opstype: 'downgrade' },
        /spec\.opstype: Unsupported value.*"upgrade".*"rollback"/,
      ],
      ['another imagetype', { ...DISK, imagetype: 'iso' }, /spec\.imagetype: Unsupported value.*"docker"/],
      [
        'another executionmode',
        { ...DISK, executionmode: 'random' },
        /spec\.executionmode: Unsupported value/,
      ],
      ['no opstype', { ...DISK, opstype: undefined }, /spec\.opstype: Required value/],
      ['a budget in words', { ...DISK, maxunavailable: 'edit.node.upgrade.number' }, /spec\.maxunavailable/],
      ['half a window', { ...DISK, timewindow: { starttime: '01:00:00' } }, /endtime: Required value/],
      ['a field that there is not', { ...DISK, dokcerimage: 'x' }, /unknown field "spec\.dokcerimage"/],
    ];
    for (const [name, spec, want] of refused)
      it(`refuses ${name}, in kubectl's output`, async () => {
        const { code, stderr } = await apply(os('bad', spec));
        expect(code).to.equal(1);
        expect(stderr).to.match(want);
      });

    it("upstream's client in Go writes the object without erasing our status", async () => {
      const status = { phase: 'Accepted', reason: 'Complete', rollout: 3 };
      const patch = ['patch', 'os', 'docker', '--subresource=status', '--type=merge'];
      await cluster.kubectl([...patch, `--patch=${JSON.stringify({ status })}`]);
      const { metadata } = await read('os', 'docker');
      const empty = { version: '', configs: null };
      const contents = [{ key: 'a', value: null, operation: '' }];
      const spec = {
        ...CURRENT,
        sysconfigs: empty,
        upgradeconfigs: { version: 'v1', configs: [{ model: 'kernel.sysctl', configpath: '', contents }] },
      };
      await raw('replace', 'os/docker', { ...os('docker', spec), metadata });
      const after = await read('os', 'docker');
      expect(after.status).to.deep.equal(status);
      expect(after.spec.sysconfigs).to.deep.equal({ version: '' });
      expect(after.spec.upgradeconfigs.configs[0]).to.deep.equal({
        model: 'kernel.sysctl',
        configpath: '',
        contents: [{ key: 'a', operation: '' }],
      });
    });

    it("upstream's proxy in Rust writes null for what there is not", async () => {
      await raw('create', 'osinstances', {
        apiVersion: 'upgrade.openeuler.org/v1alpha1',
        kind: 'OSInstance',
        metadata: { name: 'n1', labels: { 'upgrade.openeuler.org/osinstance-node': 'n1' } },
        spec: { nodestatus: 'idle', namespacedname: null, sysconfigs: null, upgradeconfigs: null },
        status: null,
      });
      expect((await read('osinstance', 'n1')).spec).to.deep.equal({ nodestatus: 'idle' });
      const slots = [{ name: 'A', booted: true, default: true, version: '1', prettyName: 'KubeOS 1' }];
      const patch = (body: object) =>
        cluster.kubectl([
          ...['patch', 'osinstance', 'n1', '--subresource=status', '--type=merge'],
          `--patch=${JSON.stringify(body)}`,
        ]);
      await patch({ status: { slots } });
      await patch({ status: { sysconfigs: { version: 'v1', configs: null }, upgradeconfigs: null } });
      expect((await read('osinstance', 'n1')).status).to.deep.equal({ slots, sysconfigs: { version: 'v1' } });
    });

    it('shows exactly the columns of upstream', async () => {
      expect(await header('os')).to.deep.equal([
        'NAME',
        'OS VERSION',
        'SYSCONFIG VERSION',
        'UPGRADECONFIG VERSION',
      ]);
      expect(await header('osinstances')).to.deep.equal([
        'NAME',
        'NODESTATUS',
        'SYSCONFIG-VERSION-CURRENT',
        'SYSCONFIG-VERSION-DESIRED',
        'UPGRADECONFIG-VERSION-CURRENT',
        'UPGRADECONFIG-VERSION-DESIRED',
      ]);
    });
  });

  describe("with upstream's CRDs before ours", () => {
    let controller: ControllerProcess | undefined;
    /** Stored under the CRD of the releases with `dockerimage`, and under that of today. */
    const old = {
      'old-disk': DISK,
      'old-rollback': ROLLBACK,
      'old-words': { ...DISK, opstype: 'Upgrade', imagetype: 'iso' },
      'old-empty': { ...DISK, osversion: '' },
    };
    const today = {
      'new-docker': CURRENT,
      'new-none': { ...CURRENT, maxunavailable: 0 },
      'new-settings': { ...CURRENT, sysconfigs: { version: 'v1', configs: [{ model: 'kernel.sysctl' }] } },
      'new-interval': { ...CURRENT, timeinterval: -1 },
    };

    before(async () => {
      await cluster.kubectl(['delete', 'crd', '--all']);
      const install = async (text: string) => {
        await cluster.kubectl(['apply', '--filename=-'], { stdin: text });
        await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s']);
      };
      const store = async (name: string, spec: object | undefined) =>
        eventually(async () => (await apply(os(name, spec))).code === 0, {
          timeoutMs: 20_000,
          what: `${name} is stored`,
        });
      await install(OLD_OS_CRD);
      for (const [name, spec] of Object.entries(old)) await store(name, spec);
      await store('no-spec', undefined);
      await install(OS_CRD);
      await install(OSINSTANCE_CRD);
      for (const [name, spec] of Object.entries(today)) await store(name, spec);
      // As a person installs ours.
      await cluster.kubectl(['apply', '--kustomize', join(ROOT, 'config/crd')]);
      await cluster.kubectl(['apply', '--server-side', '--kustomize', join(ROOT, 'config/rbac')]);
      controller = await startController(cluster);
    });
    after(() => controller?.stop());

    const wanted: [string, string, RegExp][] = [
      ['old-disk', 'NoNodes', /selects no node yet/],
      ['old-rollback', 'NoNodes', /selects no node yet/],
      ['old-words', 'SpecInvalid', /opstype.*imagetype/],
      ['old-empty', 'SpecInvalid', /osversion/],
      ['no-spec', 'SpecInvalid', /osversion/],
      ['new-docker', 'NoNodes', /selects no node yet/],
      ['new-none', 'MaxUnavailableInvalid', /at least 1/],
      ['new-settings', 'ConfigUnsupported', /spec\.sysconfigs/],
      ['new-interval', 'TimeIntervalInvalid', /spec\.timeinterval is -1/],
    ];
    for (const [name, reason, message] of wanted)
      it(`${name} is still there and told of: ${reason}`, async () => {
        const { status } = await eventually(
          async () => {
            const object = await read('os', name);
            return object.status?.reason !== undefined && object;
          },
          { timeoutMs: 20_000, what: `${name} has a status` },
        );
        expect(status.reason, status.message).to.equal(reason);
        expect(status.message).to.match(message);
      });

    it('nothing went wrong meanwhile', () =>
      expect(controller?.lines.filter(({ level }) => level === 'error')).to.deep.equal([]));
  });
});
