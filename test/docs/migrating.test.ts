import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import type { OS, OSInstance } from '../../src/api/openeuler/index.ts';
import { ROOT } from '../../tools/lib/paths.mjs';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { type ControllerProcess, startController } from '../env/controller-process.ts';
import { startImageServer } from '../env/image-server.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { startNode } from '../env/node/start-node.ts';
import { OS_CRD, OSINSTANCE_CRD } from '../env/upstream-crds.ts';
import { osInstance, osObject, PROGRAMS, yamlOf } from '../env/upstream-kubeos.ts';
import { eventually } from '../env/wait.ts';
import { nameOf, partitionImage, SIZES, SLOT_MIB } from '../openeuler/images.ts';
import { commandsUnder, headingsOf, openShell, type Shell } from './page-commands.ts';

const PAGE = 'docs/migrating-from-kubeos.md';
const [OLD, NEW] = ['1.0.0', '1.0.1'];
const PREFIX = 'upgrade.openeuler.org';

interface NodeObject {
  readonly metadata: {
    readonly labels: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  readonly spec: { readonly unschedulable?: boolean };
}

describe(PAGE, function () {
  this.timeout(240_000);
  const stack = new AsyncDisposableStack();
  let cluster: Cluster;
  let shell: Shell;
  let nodes: Record<string, EmulatedNode>;
  let controller: ControllerProcess;

  const read = async <T>(...what: string[]): Promise<T> =>
    JSON.parse((await cluster.kubectl(['get', ...what, '-o', 'json'])).stdout);
  const runSection = async (heading: string): Promise<string> => {
    const outputs: string[] = [];
    for (const command of commandsUnder(PAGE, heading)) {
      const { stdout, stderr } = await shell.run(command);
      outputs.push(stdout, stderr);
    }
    return outputs.join('');
  };
  const bootsOf = (): Record<string, number> =>
    Object.fromEntries(Object.entries(nodes).map(([name, { bootCount }]) => [name, bootCount]));

  before(async () => {
    cluster = await startCluster({ name: 'migrating' });
    stack.defer(() => cluster.stop());
    shell = openShell(cluster);
    const server = await startImageServer();
    stack.defer(() => server.close());
    nodes = await startNodes(cluster, stack);
    const image = await partitionImage(NEW);
    server.serve('/update.img', image.path);
    await runKubeOS(shell, cluster, {
      url: `${server.url}/update.img`,
      checksum: image.rawChecksum.slice(7),
    });
  });
  after(() => stack.disposeAsync());

  it('has the steps that are tried here, and no others', () =>
    expect(headingsOf(PAGE)).to.deep.equal([
      'What changes, in short',
      '1. Look where you stand',
      '2. Keep a copy',
      '3. Stop KubeOS',
      '4. Install the agents, and look',
      '5. Give nodes back that KubeOS left cordoned',
      '6. Start the controller',
      '7. Check',
      '8. Remove what is left of KubeOS',
      'Go back to KubeOS',
    ]));

  it('1, 2: what there is, and a copy of it', async () => {
    expect(await runSection('1. Look where you stand'))
      .to.contain('half-way')
      .and.to.contain(nameOf(OLD));
    await runSection('2. Keep a copy');
  });

  it('3: the programs of KubeOS are gone', async () => {
    await runSection('3. Stop KubeOS');
    expect((await read<{ items: unknown[] }>('pods', '-n', 'upgrade-system')).items).to.deep.equal([]);
  });

  it('4: the agents see both partitions, and nothing is done yet', async () => {
    const before = bootsOf();
    expect(await runSection('4. Install the agents, and look')).to.match(
      /os\.upgrade\.openeuler\.org is missing the .*last-applied-configuration annotation/,
    );
    const { spec } = await read<{ spec: object }>('crd', `os.${PREFIX}`);
    const ours = parse(readFileSync(join(ROOT, `config/crd/${PREFIX}_os.yaml`), 'utf8'));
    expect(spec).to.deep.include({ versions: ours.spec.versions });
    const [look = ''] = commandsUnder(PAGE, '4. Install the agents, and look').slice(-1);
    const lines = async () => (await shell.run(look)).stdout.trimEnd().split('\n').slice(1);
    await eventually(async () => (await lines()).filter(line => line.endsWith('True')).length === 4, {
      timeoutMs: 30_000,
      what: 'every agent says that its slots are usable',
    });
    expect(bootsOf()).to.deep.equal(before);
    expect((await read<{ items: unknown[] }>('os', '-A')).items).to.have.length(4);
    expect((await read<{ items: unknown[] }>('osupgradeprogresses')).items).to.deep.equal([]);
  });

  it('5, 6: what is half-way goes on, what is done stays, what cannot be done says so', async () => {
    await runSection('5. Give nodes back that KubeOS left cordoned');
    await runSection('6. Start the controller');
    // Pods of emulated nodes run nothing but agents.
    controller = await startController(cluster);
    stack.defer(async () => void (await controller.stop()));
    const reasons = async () => {
      const { items } = await read<{ items: OS[] }>('os', '-A');
      return Object.fromEntries(items.map(({ metadata, status }) => [metadata.name, status?.reason]));
    };
    const want = {
      'half-way': 'Complete',
      done: 'Complete',
      settings: 'ConfigUnsupported',
      elsewhere: 'NoNodes',
    };
    await eventually(async () => JSON.stringify(sorted(await reasons())) === JSON.stringify(sorted(want)), {
      timeoutMs: 120_000,
      what: 'every OS says where it stands',
    }).catch(async error => {
      const { stdout } = await shell.run('kubectl get os,osupgradeprogresses,osinstances -A -o yaml');
      throw new Error(`${error.message}\n${stdout}\n${controller.lines.slice(-40).map(toText).join('\n')}`);
    });
    expect(bootsOf()).to.deep.equal({ 'cp-1': 1, 'node-1': 1, 'node-2': 2, 'node-3': 2 });
  });

  it('7: no label, no cordon and no wrong word of KubeOS is left', async () => {
    expect(await runSection('7. Check')).to.contain('default/half-way');
    for (const name of ['node-1', 'node-2', 'node-3']) {
      await eventually(
        async () => {
          const { metadata, spec } = await read<NodeObject>('node', name);
          const marks = Object.keys(metadata.labels).filter(label => label.startsWith(PREFIX));
          return marks.join() === (name === 'node-1' ? `${PREFIX}/node-selector` : '') && !spec.unschedulable;
        },
        { timeoutMs: 30_000, what: `${name} is as if KubeOS had never been` },
      );
      const instance = await read<OSInstance>('osinstance', '-n', 'default', name);
      expect(instance.spec.nodestatus).to.equal('idle');
      expect(instance.spec).not.to.have.property('namespacedname');
      expect(instance.metadata.ownerReferences?.map(({ kind }) => kind)).to.deep.equal(['Node']);
    }
  });

  it('back: KubeOS is as it was, and every object is still there', async () => {
    await controller.stop();
    await runSection('Go back to KubeOS');
    const { items } = await read<{ items: OS[] }>('os', '-A');
    expect(items.map(({ metadata }) => metadata.name)).to.have.members([
      'half-way',
      'done',
      'settings',
      'elsewhere',
    ]);
    await shell.run('kubectl rollout status -n upgrade-system deployment/upgrade-operator --timeout=60s');
    await shell.run('kubectl rollout status -n upgrade-system daemonset/upgrade-proxy --timeout=60s');
    const { metadata } = await read<NodeObject>('node', 'node-2');
    expect(metadata.labels).not.to.have.property('monok8s.io/managed');
    expect(metadata.annotations ?? {}).not.to.have.property('monok8s.io/rollout');
    // As KubeOS does it.
    const done = await shell.run(`kubectl patch os half-way --type=merge -p '{"spec":{"timeinterval":20}}'`);
    expect(done.stdout).to.contain('patched');
    expect(await read<OS>('os', 'half-way')).not.to.have.property('status');
  });

  it('8: nothing of KubeOS is left', async () => {
    await runSection('8. Remove what is left of KubeOS');
    const { stdout } = await shell.run('kubectl get namespace,clusterrole -o name');
    expect(stdout).not.to.match(/upgrade-(system|manager)/);
  });
});

const toText = (line: object): string => JSON.stringify(line);

const sorted = (object: object): unknown[] => Object.entries(object).toSorted();

async function startNodes(
  cluster: Cluster,
  stack: AsyncDisposableStack,
): Promise<Record<string, EmulatedNode>> {
  const common = { systemName: 'KubeOS', slotMiB: SLOT_MIB, ...SIZES, agent: 'pod' } as const;
  const start = async (name: string, version: string, controlPlane = false) => {
    const node = await startNode(cluster, { name, version, controlPlane, ...common });
    stack.defer(() => node.stop());
    return [name, node] as const;
  };
  return Object.fromEntries(
    await Promise.all([
      start('cp-1', OLD, true),
      start('node-1', NEW),
      start('node-2', OLD),
      start('node-3', OLD),
    ]),
  );
}

/** KubeOS as it stands in the middle of an upgrade that somebody broke off: node-1 done, node-2 begun, node-3 cordoned. */
async function runKubeOS(
  { run, desk }: Shell,
  cluster: Cluster,
  { url, checksum }: { url: string; checksum: string },
): Promise<void> {
  mkdirSync(join(desk, 'kubeos'));
  writeFileSync(join(desk, 'kubeos/os.yaml'), OS_CRD);
  writeFileSync(join(desk, 'kubeos/osinstance.yaml'), OSINSTANCE_CRD);
  // By create, so that kubectl apply knows nothing of what was there.
  await run('kubectl create -f kubeos/');
  await run('kubectl wait --for=condition=Established crd --all --timeout=60s');
  await run(`kubectl label node node-1 ${PREFIX}/node-selector=done`);
  await run(`kubectl label node node-2 ${PREFIX}/upgrading= ${PREFIX}/serial=`);
  await run(`kubectl label node node-3 ${PREFIX}/serial= ${PREFIX}/configuring=`);
  await run('kubectl cordon node-3');
  const halfWay = { nodestatus: 'upgrade', namespacedname: { name: 'half-way', namespace: 'default' } };
  const stdin = yamlOf([
    ...PROGRAMS,
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'edge' } },
    osObject('half-way', {
      osversion: nameOf(NEW),
      imageurl: url,
      checksum,
      flagSafe: true,
      executionmode: 'serial',
    }),
    osObject('done', { osversion: nameOf(NEW), imageurl: url, checksum, nodeselector: 'done' }, 'edge'),
    osObject('elsewhere', {
      osversion: nameOf('9.9.9'),
      imagetype: 'docker',
      containerimage: 'a/b:c',
      nodeselector: 'none',
    }),
    osObject('settings', { osversion: nameOf(NEW), opstype: 'config', sysconfigs: { version: 'v1' } }),
    osInstance('node-1'),
    osInstance('node-2', halfWay),
    osInstance('node-3', { ...halfWay, nodestatus: 'config' }),
  ]);
  await eventually(() => cluster.kubectl(['apply', '-f', '-'], { stdin }), {
    timeoutMs: 30_000,
    what: 'the objects of KubeOS are stored',
  });
  await run('kubectl rollout status -n upgrade-system deployment/upgrade-operator --timeout=60s');
  await run('kubectl rollout status -n upgrade-system daemonset/upgrade-proxy --timeout=60s');
}
