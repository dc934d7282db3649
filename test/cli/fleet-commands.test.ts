import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { eventually } from '../env/wait.ts';
import { runCtl, spawnCtl, startCtl } from './run-ctl.ts';

const progress = {
  apiVersion: 'monok8s.io/v1alpha1',
  kind: 'OSUpgradeProgress',
  metadata: { name: 'osupgrade-abc123f' },
  spec: { sourceRef: { name: 'my-upgrade' }, nodeName: 'n1' },
};
const upgrade = {
  apiVersion: 'monok8s.io/v1alpha1',
  kind: 'OSUpgrade',
  metadata: { name: 'my-upgrade' },
  spec: { version: 'v1.35.1', catalog: { configMap: 'images-cm' } },
};
const os = {
  apiVersion: 'upgrade.openeuler.org/v1alpha1',
  kind: 'OS',
  metadata: { name: 'os-sample', namespace: 'edge' },
  spec: { osversion: 'KubeOS 1.0.0', opstype: 'rollback', imagetype: '', maxunavailable: 2 },
};
const edge = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'edge' } };
const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } };
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'agent-n1', namespace: 'mono-system' },
  spec: {
    nodeName: 'n1',
    serviceAccountName: 'node-agent',
    automountServiceAccountToken: false,
    containers: [{ name: 'agent', image: 'x' }],
  },
};

describe('ctl and a fleet', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let kubeconfig: string;

  before(async () => {
    cluster = await startCluster({ name: 'fleet', controllerManager: false, scheduler: false });
    kubeconfig = cluster.adminKubeconfig;
  });
  after(() => cluster?.stop());

  const patchStatus = (status: object) =>
    cluster.kubectl([
      ...['patch', 'osupgradeprogress', progress.metadata.name, '--subresource=status', '--type=merge'],
      `--patch=${JSON.stringify({ status })}`,
    ]);

  it('status: tells how to install the kinds where they are missing', async () => {
    const { code, stderr } = await runCtl(['status'], { kubeconfig });
    expect(code).to.equal(1);
    expect(stderr).to.match(/ctl create crds \| kubectl apply -f -/);
  });

  describe('with a request and a node', () => {
    before(async () => {
      await cluster.installTwinslot();
      const stdin = [node, edge, upgrade, os, progress, pod].map(object => stringify(object)).join('---\n');
      await cluster.kubectl(['create', '--filename=-'], { stdin });
      await patchStatus({ currentVersion: 'v1.34.1', targetVersion: 'v1.35.1', phase: 'Downloading' });
    });

    it('status: the picture', async () => {
      const { code, stdout, stderr } = await runCtl(['status'], { kubeconfig });
      expect(code, stderr).to.equal(0);
      expect(stdout.split('\n')).to.deep.equal([
        'REQUEST         OPERATION  VERSION       PHASE  NODES',
        'my-upgrade      upgrade    v1.35.1       New    -',
        '    no controller has looked at it yet',
        'edge/os-sample  rollback   KubeOS 1.0.0  New    -',
        '    no controller has looked at it yet',
        '',
        'NODE  VERSION            PHASE        PROGRESS',
        'n1    v1.34.1 → v1.35.1  Downloading            NotReady',
        '',
      ]);
    });

    it('status --kubeconfig, as a process, before or behind the command', async () => {
      const results = await Promise.all([
        spawnCtl(['--kubeconfig', kubeconfig, 'status']),
        spawnCtl(['status', '--kubeconfig', kubeconfig]),
      ]);
      for (const { code, stdout, stderr } of results) {
        expect(code, stderr).to.equal(0);
        expect(stdout).to.contain('my-upgrade');
      }
    });

    it("status: with an agent's rights, all but the requests", async () => {
      const agent = await cluster.serviceAccountKubeconfig({
        namespace: 'mono-system',
        serviceAccount: 'node-agent',
        boundPod: { name: 'agent-n1' },
      });
      const { code, stdout, stderr } = await runCtl(['status'], { kubeconfig: agent });
      expect(code).to.equal(0);
      expect(stdout).to.contain('v1.34.1 → v1.35.1');
      expect(stderr.trim().split('\n')).to.deep.equal([
        'ctl: OSUpgrade objects are not shown: you may not list them (RBAC)',
        'ctl: OS objects are not shown: you may not list them (RBAC)',
      ]);
    });

    it('status --watch: a line for each change, until SIGINT', async () => {
      const child = startCtl(['status', '--watch'], { kubeconfig });
      const lines: string[] = [];
      createInterface({ input: child.stdout }).on('line', line => lines.push(line.replace(/^\S+ /, '')));
      const closed = once(child, 'close');
      const seen = (want: string) =>
        eventually(() => lines.includes(want), { timeoutMs: 10_000, what: `the line: ${want}` });
      await seen('node n1: v1.34.1 → v1.35.1, Downloading, NotReady');
      await patchStatus({ progress: { bytesDone: 1, bytesTotal: 2 } });
      await seen('node n1: v1.34.1 → v1.35.1, Downloading 50%, NotReady');
      await patchStatus({ phase: 'Staged', progress: null, message: 'waits for the gate' });
      await seen('node n1: v1.34.1 → v1.35.1, Staged, NotReady, waits for the gate');
      await seen('request edge/os-sample: rollback to KubeOS 1.0.0, New, no controller has looked at it yet');
      expect(lines.filter(line => line.startsWith('request'))).to.have.length(2);
      const spec = { osversion: 'KubeOS 1.0.1' };
      await cluster.kubectl([
        'patch',
        'os',
        '-n=edge',
        'os-sample',
        '--type=merge',
        `-p=${JSON.stringify({ spec })}`,
      ]);
      await seen('request edge/os-sample: rollback to KubeOS 1.0.1, New, no controller has looked at it yet');
      child.kill('SIGINT');
      expect((await closed)[0]).to.equal(0);
    });

    it('status: Ctrl-C before the picture is there is no error to read about', async () => {
      const { code, stdout, stderr } = await runCtl(['status'], { kubeconfig, signal: AbortSignal.abort() });
      expect({ code, stdout, stderr }).to.deep.equal({ code: 130, stdout: '', stderr: '' });
    });

    it('retry: changes the nonce, twice, and says what will happen', async () => {
      await patchStatus({ phase: 'Failed', attempt: 1 });
      const nonce = async () =>
        (await cluster.kubectl(['get', 'osup', 'osupgrade-abc123f', '-o', 'jsonpath={.spec.retryNonce}']))
          .stdout;
      const first = await runCtl(['retry', 'osupgrade-abc123f'], { kubeconfig });
      expect(first.code, first.stderr).to.equal(0);
      expect(first.stdout).to.equal(
        'osupgrade-abc123f tries again to bring n1 to v1.35.1: attempt 2. Follow it with ctl status --watch\n',
      );
      const before = await nonce();
      expect(before).to.match(/^retry-/);
      await runCtl(['retry', 'osupgrade-abc123f'], { kubeconfig });
      expect(await nonce()).not.to.equal(before);
    });

    it('retry: an object that works for an OS', async () => {
      const sourceRef = { kind: 'OS', name: 'os-sample', namespace: 'edge' };
      const object = {
        ...progress,
        metadata: { name: 'osupgrade-1234567' },
        spec: { sourceRef, nodeName: 'n2' },
      };
      await cluster.kubectl(['create', '--filename=-'], { stdin: stringify(object) });
      const status = { phase: 'Failed', attempt: 1, targetVersion: 'KubeOS 1.0.0' };
      await cluster.kubectl([
        ...['patch', 'osup', 'osupgrade-1234567', '--subresource=status', '--type=merge'],
        `--patch=${JSON.stringify({ status })}`,
      ]);
      expect((await runCtl(['retry', 'osupgrade-1234567'], { kubeconfig })).stdout).to.match(
        /^osupgrade-1234567 tries again to bring n2 to KubeOS 1\.0\.0: attempt 2\. /,
      );
      expect((await runCtl(['retry', 'edge/os-sample'], { kubeconfig })).stderr).to.equal(
        'ctl: edge/os-sample is the request OS edge/os-sample; name the part of one node: osupgrade-1234567 (n2)\n',
      );
    });

    it('retry: lists the names where there is no such object', async () => {
      const { code, stderr } = await runCtl(['retry', 'n1'], { kubeconfig });
      expect(code).to.equal(1);
      expect(stderr).to.equal('ctl: n1 is a node; its OSUpgradeProgress is osupgrade-abc123f\n');
    });
  });

  it('tells that no API server answers', async () => {
    const stopped = await startCluster({ name: 'gone', controllerManager: false, scheduler: false });
    await stopped.killApiServer();
    const { code, stderr } = await runCtl(['status'], { kubeconfig: stopped.adminKubeconfig });
    await stopped.stop();
    expect(code).to.equal(1);
    expect(stderr).to.match(/^ctl: .*cannot reach the API server/);
    expect(stderr.trim().split('\n')).to.have.length(1);
  });
});
