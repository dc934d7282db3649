import { join } from 'node:path';
import { expect } from 'chai';
import { parseAllDocuments, stringify } from 'yaml';
import { PARTS } from '../../src/cli/manifests.ts';
import { ROOT } from '../../tools/lib/paths.mjs';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { eventually } from '../env/wait.ts';
import { runCtl, spawnCtl } from './run-ctl.ts';

const IMAGE = 'registry.example.com:5000/ops/twinslot:1.2.3';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** Fails unless every document of the text is an object for the API server. */
function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).map(document => {
    expect(document.errors).to.deep.equal([]);
    const manifest = document.toJS();
    expect(manifest).to.include.keys('apiVersion', 'kind', 'metadata');
    return manifest;
  });
}

const find = (text: string, kind: string) =>
  parseAllDocuments(text)
    .map(document => document.toJS())
    .find(object => object.kind === kind);

const keyOf = ({ kind, metadata }: Manifest): string =>
  `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;

describe('ctl create', function () {
  this.timeout(60_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ name: 'create', controllerManager: false, scheduler: false });
  });
  after(() => cluster?.stop());

  it('all: an empty cluster takes it, and the second time nothing changes', async () => {
    const { code, stdout, stderr } = await spawnCtl(['create', 'all', '--image', IMAGE]);
    expect(code, stderr).to.equal(0);
    expect(stderr).to.equal('');
    await cluster.kubectl(['apply', '--filename=-'], { stdin: stdout });
    const again = await cluster.kubectl(['apply', '--filename=-'], { stdin: stdout });
    expect(
      again.stdout
        .trim()
        .split('\n')
        .filter(line => !line.endsWith(' unchanged')),
    ).to.deep.equal([]);
    await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s']);
  });

  for (const part of Object.keys(PARTS))
    it(`${part}: YAML alone, accepted by the API server`, async () => {
      const image = part === 'crds' || part === 'rbac' ? [] : ['--image', IMAGE];
      const { code, stdout, stderr } = await runCtl(['create', part, ...image]);
      expect(code, stderr).to.equal(0);
      const keys = parseManifests(stdout).map(keyOf);
      expect(new Set(keys).size, 'an object is printed twice').to.equal(keys.length);
      await cluster.kubectl(['apply', '--dry-run=server', '--filename=-'], { stdin: stdout });
    });

  it('all: the same objects as `kubectl kustomize config/default`', async () => {
    const { stdout } = await runCtl(['create', 'all']);
    const kustomized = await cluster.kubectl(['kustomize', join(ROOT, 'config/default')]);
    const sorted = (text: string) =>
      parseManifests(text).toSorted((a, b) => keyOf(a).localeCompare(keyOf(b)));
    expect(sorted(stdout)).to.deep.equal(sorted(kustomized.stdout));
  });

  it('controller: complete for a cluster that has nothing of ours', async () => {
    const { stdout } = await runCtl(['create', 'controller', '--image', IMAGE]);
    expect(parseManifests(stdout).map(keyOf)).to.include.members([
      'Namespace /mono-system',
      'CustomResourceDefinition /osupgrades.monok8s.io',
      'ServiceAccount mono-system/os-controller',
      'Deployment mono-system/os-controller',
    ]);
  });

  it('controller --image: pulled from the registry, on any node', async () => {
    const { stdout } = await runCtl(['create', 'controller', '--image', IMAGE]);
    const { affinity, containers } = find(stdout, 'Deployment').spec.template.spec;
    expect(containers[0]).to.include({ image: IMAGE, imagePullPolicy: 'IfNotPresent' });
    expect(affinity).to.have.all.keys('nodeAffinity');
  });

  describe('without --image', () => {
    const pod = { KUBERNETES_SERVICE_HOST: 'kubernetes', POD_NAME: 'agent-n1', POD_NAMESPACE: 'mono-system' };
    let kubeconfig: string;

    before(async () => {
      const own = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'agent-n1', namespace: 'mono-system' },
        spec: {
          nodeName: 'n1',
          serviceAccountName: 'node-agent',
          automountServiceAccountToken: false,
          containers: [{ name: 'agent', image: 'node-image/twinslot:7' }],
        },
      };
      await cluster.kubectl(['create', '--filename=-'], { stdin: stringify(own) });
      kubeconfig = await cluster.serviceAccountKubeconfig({
        namespace: 'mono-system',
        serviceAccount: 'node-agent',
        boundPod: { name: 'agent-n1' },
      });
    });

    it("in an agent's Pod: that Pod's image, never pulled, only where agents run", async () => {
      // The API server learns of new roles a moment after they were made.
      const stdout = await eventually(
        async () => {
          const result = await runCtl(['create', 'controller'], { kubeconfig, environment: pod });
          return result.code === 0 && result.stdout;
        },
        { timeoutMs: 10_000, what: 'the agent may read its Pod' },
      );
      const { affinity, containers } = find(stdout, 'Deployment').spec.template.spec;
      expect(containers[0]).to.include({ image: 'node-image/twinslot:7', imagePullPolicy: 'Never' });
      const [rule] = affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution;
      expect(rule.labelSelector.matchLabels).to.deep.equal({ 'app.kubernetes.io/name': 'node-agent' });
      expect(rule.topologyKey).to.equal('kubernetes.io/hostname');
    });

    const failures = [
      {
        name: 'in a Pod that there is not',
        environment: { ...pod, POD_NAME: 'gone' },
        want: /there is no Pod mono-system\/gone.*give --image/,
      },
      {
        name: 'in a Pod that may not be read',
        environment: { ...pod, POD_NAMESPACE: 'kube-system' },
        want: /forbidden.*give --image/,
      },
      {
        name: 'outside of a Pod',
        environment: {},
        want: /not known outside of a Pod: give --image IMAGE, or run it in an agent's Pod/,
      },
    ];
    for (const { name, environment, want } of failures)
      it(`${name}: one line that tells the way out, nothing on stdout`, async () => {
        const { code, stdout, stderr } = await runCtl(['create', 'controller'], { kubeconfig, environment });
        expect(code).to.equal(1);
        expect(stdout).to.equal('');
        expect(stderr).to.match(want);
        expect(stderr.trim().split('\n')).to.have.length(1);
      });

    it('agent, outside of a Pod: the image of the manifests, with a note on stderr', async () => {
      const { code, stdout, stderr } = await runCtl(['create', 'agent']);
      expect(code).to.equal(0);
      expect(find(stdout, 'DaemonSet').spec.template.spec.containers[0].image).to.match(/^twinslot:/);
      expect(stderr).to.match(/must be on the nodes already/);
    });
  });

  const usage = [
    {
      name: 'a part that there is not',
      args: ['create', 'everything'],
      want: /unknown command 'everything'/,
    },
    {
      name: 'an image that cannot be one',
      args: ['create', 'all', '--image', 'a b'],
      want: /It must look like/,
    },
    {
      name: 'an option that there is not',
      args: ['create', 'crds', '--image', IMAGE],
      want: /unknown option '--image'/,
    },
    { name: 'a command that there is not', args: ['flsh'], want: /unknown command 'flsh'/ },
  ];
  for (const { name, args, want } of usage)
    it(`refuses ${name} with exit code 2`, async () => {
      const { code, stdout, stderr } = await runCtl(args);
      expect(code).to.equal(2);
      expect(stdout).to.equal('');
      expect(stderr).to.match(want);
    });
});

describe('ctl as a process', function () {
  this.timeout(20_000);

  it('ends with the exit code of the command', async () => {
    const { code, stdout, stderr } = await spawnCtl(['create', 'controller']);
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(stderr).to.match(/^ctl: /);
  });
});

describe('ctl --help', function () {
  this.timeout(20_000);
  const commands = [
    [],
    ['create'],
    ['create', 'controller'],
    ['status'],
    ['retry'],
    ['catalog', 'check'],
    ['agent'],
    ['controller'],
  ];
  for (const command of commands)
    it(`ctl ${command.join(' ')}`.trim(), async () => {
      const { code, stdout, stderr } = await runCtl([...command, '--help']);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(/^Usage: ctl/);
      for (const line of stdout.split('\n')) expect(line.length, line).to.be.at.most(110);
    });
});
