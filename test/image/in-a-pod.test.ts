import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { parseAllDocuments, stringify } from 'yaml';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { needsRoot } from '../env/needs-root.ts';
import { eventually } from '../env/wait.ts';
import { type UnpackedImage, unpackImage } from './unpacked-image.ts';

const NAMESPACE = 'mono-system';
const IMAGE = 'docker.io/library/twinslot:0.1.0';

describe('the container image in a pod', function () {
  this.timeout(180_000);
  let unpacked: UnpackedImage;
  let cluster: Cluster;

  before(async function () {
    needsRoot(this, 'running the image');
    [unpacked, cluster] = await Promise.all([
      unpackImage(),
      startCluster({ name: 'image', controllerManager: false, scheduler: false }),
    ]);
    await cluster.installTwinslot();
  });
  after(async () => {
    unpacked?.remove();
    await cluster?.stop();
  });

  /** Puts a pod on record, and its ServiceAccount's credentials where the kubelet would, and answers its environment. */
  async function becomePod(name: string, serviceAccount: string): Promise<Record<string, string>> {
    const pod = {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: NAMESPACE } },
      spec: {
        ...{ nodeName: 'n1', serviceAccountName: serviceAccount, automountServiceAccountToken: false },
        containers: [{ name: 'main', image: IMAGE }],
      },
    };
    await cluster.kubectl(['create', '--filename=-'], { stdin: stringify(pod) });
    const bound = ['--bound-object-kind=Pod', `--bound-object-name=${name}`, `--namespace=${NAMESPACE}`];
    const token = await cluster.kubectl(['create', 'token', serviceAccount, ...bound]);
    const folder = join(unpacked.root, 'run/secrets/kubernetes.io/serviceaccount');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'token'), token.stdout.trim());
    await writeFile(join(folder, 'namespace'), NAMESPACE);
    await writeFile(join(folder, 'ca.crt'), await readFile(cluster.caFile));
    const { hostname, port } = new URL(cluster.serverUrl);
    return {
      ...{ KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
      ...{ POD_NAME: name, POD_NAMESPACE: NAMESPACE },
    };
  }

  it('create controller: runs the image of its own Pod, never pulled, where agents run', async () => {
    const environment = await becomePod('node-agent-x', 'node-agent');
    // The API server learns of new roles a moment after they were made.
    const stdout = await eventually(
      async () => {
        const result = await unpacked.run(['ctl', 'create', 'controller'], { environment });
        expect(result.stderr).to.equal('');
        return result.stdout;
      },
      { timeoutMs: 20_000, what: 'it may read its own Pod' },
    );
    const objects = parseAllDocuments(stdout).map(document => document.toJS());
    const { affinity, containers } = objects.find(({ kind }) => kind === 'Deployment').spec.template.spec;
    expect(containers[0]).to.include({ image: IMAGE, imagePullPolicy: 'Never' });
    expect(affinity).to.include.keys('podAffinity');
    await cluster.kubectl(['apply', '--dry-run=server', '--filename=-'], { stdin: stdout });
  });

  it('controller: leads without being root and without a place to write to, and ends when it is told', async () => {
    const environment = await becomePod('os-controller-x', 'os-controller');
    const child = unpacked.start(['ctl', 'controller', '--metrics-address', '127.0.0.1:0'], {
      ...{ environment, isConfined: true },
    });
    const exited = once(child, 'exit');
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr])
      if (stream) createInterface(stream).on('line', line => lines.push(line));
    try {
      await eventually(
        () => {
          if (child.exitCode !== null) throw new Error(lines.join('\n'));
          return lines.some(line => line.includes('leadership acquired'));
        },
        { timeoutMs: 30_000, what: 'the controller leads' },
      );
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      expect(status).to.match(/^Uid:\t65532\t65532\t/m);
    } finally {
      child.kill('SIGTERM');
    }
    expect(await exited).to.deep.equal([0, null]);
  });
});
