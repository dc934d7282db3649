import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { type Cluster, startCluster } from './cluster.ts';
import { eventually } from './wait.ts';

const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
  spec: { nodeName: 'node-1', serviceAccountName: 'default', containers: [{ name: 'web', image: 'web' }] },
};
const BUDGET = {
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name: 'web', namespace: 'default' },
  spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } },
};
const NODE = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } };

describe('the test cluster', () => {
  let cluster: Cluster;
  const apply = (object: object): Promise<unknown> =>
    cluster.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(object) });

  before(async function () {
    this.timeout(120_000);
    cluster = await startCluster({ name: 'cluster-test' });
    await apply(NODE);
    await apply(POD);
  });
  after(() => cluster.stop());

  it('lets a ServiceAccount do only what a role grants', async () => {
    const kubeconfig = await cluster.serviceAccountKubeconfig({
      namespace: 'default',
      serviceAccount: 'default',
    });
    const list = () => cluster.kubectl(['get', 'nodes', '-o', 'name'], { kubeconfig, allowFailure: true });
    expect(await list()).to.include({ code: 1, stdout: '' });
    expect((await list()).stderr).to.match(/\(Forbidden\).*User "system:serviceaccount:default:default"/);
    await cluster.kubectl(['create', 'clusterrole', 'nodes', '--verb=list', '--resource=nodes']);
    const bind = ['create', 'clusterrolebinding', 'nodes', '--clusterrole=nodes'];
    await cluster.kubectl([...bind, '--serviceaccount=default:default']);
    const { stdout } = await eventually(
      async () => {
        const answer = await list();
        return answer.code === 0 && answer;
      },
      { timeoutMs: 10_000, what: 'the role is in force' },
    );
    expect(stdout).to.equal('node/node-1\n');
  });

  it('gives a token of a pod the name of its node', async () => {
    const kubeconfig = await cluster.serviceAccountKubeconfig({
      namespace: 'default',
      serviceAccount: 'default',
      boundPod: { name: 'web' },
    });
    const { stdout } = await cluster.kubectl(['auth', 'whoami', '-o', 'json'], { kubeconfig });
    const { userInfo } = JSON.parse(stdout).status;
    expect(userInfo.username).to.equal('system:serviceaccount:default:default');
    expect(userInfo.extra['authentication.kubernetes.io/node-name']).to.deep.equal(['node-1']);
  });

  it('lets a kubelet change its own node and no other', async () => {
    const label = async (node: string) => {
      const kubeconfig = await cluster.kubeletKubeconfig(node);
      return cluster.kubectl(['label', '--overwrite', 'node', 'node-1', 'zone=a'], {
        kubeconfig,
        allowFailure: true,
      });
    };
    expect(await label('node-1')).to.include({ code: 0 });
    expect((await label('node-2')).stderr).to.match(/is not allowed to modify node "node-1"|Forbidden/);
  });

  it('has a controller manager that computes PodDisruptionBudgets', async () => {
    await apply(BUDGET);
    const status = await eventually(
      async () => {
        const { stdout } = await cluster.kubectl(['get', 'pdb', 'web', '-o', 'json']);
        const { observedGeneration, expectedPods, disruptionsAllowed } = JSON.parse(stdout).status;
        return observedGeneration === 1 && { expectedPods, disruptionsAllowed };
      },
      { timeoutMs: 20_000, what: 'the budget is computed' },
    );
    expect(status).to.deep.equal({ expectedPods: 1, disruptionsAllowed: 0 });
  });

  it('has a scheduler that gives pods a node', async () => {
    const ready = {
      status: {
        conditions: [{ type: 'Ready', status: 'True' }],
        capacity: { cpu: '4', memory: '4Gi', pods: '9' },
      },
    };
    await cluster.kubectl(['patch', 'node', 'node-1', '--subresource=status', '-p', JSON.stringify(ready)]);
    const spec = { containers: POD.spec.containers, tolerations: [{ operator: 'Exists' }] };
    await apply({ ...POD, metadata: { name: 'anywhere', namespace: 'default' }, spec });
    const nodeName = await eventually(
      async () => {
        const { stdout } = await cluster.kubectl([
          'get',
          'pod',
          'anywhere',
          '-o',
          'jsonpath={.spec.nodeName}',
        ]);
        return stdout !== '' && stdout;
      },
      { timeoutMs: 20_000, what: 'the pod has a node' },
    );
    expect(nodeName).to.equal('node-1');
  });

  for (const how of ['stopApiServer', 'killApiServer'] as const) {
    it(`keeps its data and its address over ${how} and a new start`, async () => {
      await cluster[how]();
      const down = await cluster.kubectl(['get', 'nodes'], { allowFailure: true });
      expect(down.stderr).to.match(/refused/);
      await cluster.startApiServer();
      expect((await cluster.kubectl(['get', 'nodes', '-o', 'name'])).stdout).to.equal('node/node-1\n');
    });
  }

  it('answers 410 to a watch from before a compaction', async () => {
    const { stdout: list } = await cluster.kubectl(['get', '--raw', '/api/v1/nodes']);
    const { resourceVersion } = JSON.parse(list).metadata;
    await cluster.kubectl(['label', 'node', 'node-1', 'compaction=before']);
    await cluster.compactEtcd();
    await cluster.killApiServer();
    await cluster.startApiServer();
    const watch = `/api/v1/nodes?watch=1&timeoutSeconds=1&resourceVersion=${resourceVersion}`;
    const { stdout, stderr } = await cluster.kubectl(['get', '--raw', watch], { allowFailure: true });
    expect(stdout + stderr).to.match(/too old resource version|Expired/);
  });

  it('leaves nothing behind', async function () {
    this.timeout(60_000);
    const other = await startCluster({ name: 'stopped', controllerManager: false });
    expect(processesIn(other.dir)).to.have.length(3);
    await other.stop();
    expect(processesIn(other.dir)).to.deep.equal([]);
    expect(existsSync(other.dir)).to.equal(false);
    await other.stop();
  });

  it('says why it cannot start, and leaves nothing running', async () => {
    const bad = startCluster({ name: 'bad', scheduler: false, nodeMonitorGraceSeconds: Number.NaN });
    const error = await bad.then(
      () => expect.fail('it started'),
      (thrown: Error) => thrown,
    );
    expect(error.message).to.match(/a program of the control plane ended:[\s\S]*grace-period/);
  });

  it('ends with its process, even if that is killed', async function () {
    this.timeout(60_000);
    const owner = spawn(process.execPath, ['test/env/cluster.ts'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(owner.stdout.setEncoding('utf8'), 'data');
    const dir = dirname(/KUBECONFIG=(.*)/.exec(line)?.[1] ?? '');
    expect(processesIn(dir)).to.have.length(4);
    owner.kill('SIGKILL');
    await eventually(() => processesIn(dir).length === 0, {
      timeoutMs: 5_000,
      what: 'all programs are gone',
    });
    rmSync(dir, { recursive: true });
  });
});

/** Command lines of the processes that run in a folder. */
const processesIn = (dir: string): string[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => workingDirectory(pid).startsWith(dir))
    .map(pid => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));

function workingDirectory(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    // It ended meanwhile, or belongs to another user.
    return '';
  }
}
