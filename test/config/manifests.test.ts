import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse, parseAllDocuments } from 'yaml';
import { AgentConfig } from '../../src/agent/config.ts';
import { parseCatalog, resolveImage } from '../../src/domain/catalog.ts';
import { ROOT } from '../../tools/lib/paths.mjs';
import { type Cluster, startCluster } from '../env/cluster.ts';

const CONFIG = join(ROOT, 'config');

const readObjects = async (file: string) =>
  parseAllDocuments(await readFile(join(CONFIG, file), 'utf8')).map(document => document.toJS());

describe('config', () => {
  it('names every file in the kustomization of its folder', async () => {
    for (const folder of ['crd', 'rbac', 'agent', 'manager', 'samples']) {
      const files = (await readdir(join(CONFIG, folder))).filter(name => name !== 'kustomization.yaml');
      const { resources } = parse(await readFile(join(CONFIG, folder, 'kustomization.yaml'), 'utf8'));
      expect([...resources].sort(), folder).to.deep.equal(files.sort());
    }
  });

  it('agent: the settings are optional, and the DaemonSet says where it mounts the host', async () => {
    const [daemonSet] = await readObjects('agent/daemonset.yaml');
    const { containers, volumes } = daemonSet.spec.template.spec;
    const { env, volumeMounts } = containers[0];
    const mountOf = (name: string) =>
      volumeMounts.find((mount: { name: string }) => mount.name === name).mountPath;
    expect(env).to.deep.include({ name: 'HOST_ROOT', value: mountOf('host') });
    expect(mountOf('config')).to.equal('/etc/node-agent');
    expect(volumes).to.deep.include({
      name: 'config',
      configMap: { name: 'node-agent-config', optional: true },
    });
  });

  it('agent: applying the manifests does not touch the settings', async () => {
    const { resources } = parse(await readFile(join(CONFIG, 'agent', 'kustomization.yaml'), 'utf8'));
    const lists = await Promise.all(resources.map((file: string) => readObjects(join('agent', file))));
    expect(lists.flat().map(({ kind }) => kind)).to.deep.equal(['DaemonSet']);
  });

  it('samples: the settings of the agents are the defaults', async () => {
    const [configMap] = await readObjects('samples/agent-config.yaml');
    expect(parse(configMap.data['agent.yaml'])).to.equal(null);
  });

  it('samples: what the settings show behind # is valid, and names every setting', async () => {
    const [configMap] = await readObjects('samples/agent-config.yaml');
    const text: string = configMap.data['agent.yaml'];
    const settings = AgentConfig.parse(parse(text.replaceAll(/^# ( *[a-z]\w*:)/gm, '$1')));
    expect(Object.keys(settings).sort()).to.deep.equal(Object.keys(AgentConfig.shape).sort());
  });

  for (const program of ['agent', 'controller'])
    it(`${program}: ConfigMaps are opt-in, by a role without a \`rules\` key`, async () => {
      const objects = await readObjects(`rbac/${program}.yaml`);
      const role = objects.find(
        ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name.endsWith('-catalogs'),
      );
      expect(role.metadata.name).to.match(/-catalogs$/);
      expect(role).not.to.have.property('rules');
    });

  it('no role adds itself to one that people have: who may write a request owns the nodes', async () => {
    for (const program of ['agent', 'controller'])
      for (const { kind, metadata, aggregationRule } of await readObjects(`rbac/${program}.yaml`)) {
        const labels = Object.keys(metadata.labels ?? {});
        expect(
          labels.filter(label => label.includes('aggregate')),
          `${kind} ${metadata.name}`,
        ).to.deep.equal([]);
        expect(aggregationRule).to.equal(undefined);
      }
  });

  it('samples: the catalog entry that the sample asks for can be installed', async () => {
    const [upgrade] = await readObjects('samples/osupgrade.yaml');
    expect(resolveImage(parseCatalog(upgrade.spec.catalog.inline), upgrade.spec.version).version).to.equal(
      'v1.35.1',
    );
  });
});

describe('config on the API server', function () {
  this.timeout(60_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ name: 'config', controllerManager: false, scheduler: false });
    await cluster.installTwinslot();
  });
  after(() => cluster?.stop());

  it('default: everything is accepted', async () => {
    await cluster.kubectl(['apply', '--kustomize', join(CONFIG, 'default')]);
  });

  it('default: applied again, nothing changes', async () => {
    const { stdout } = await cluster.kubectl(['apply', '--kustomize', join(CONFIG, 'default')]);
    expect(
      stdout
        .trim()
        .split('\n')
        .filter(line => !line.endsWith(' unchanged')),
    ).to.deep.equal([]);
  });

  it("default: applied again, an administrator's rules for ConfigMap catalogs stay", async () => {
    const rules =
      '[{"op":"add","path":"/rules","value":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["get"]}]}]';
    await cluster.kubectl([
      'patch',
      'clusterrole',
      'os-controller-catalogs',
      '--type=json',
      `--patch=${rules}`,
    ]);
    await cluster.kubectl(['apply', '--kustomize', join(CONFIG, 'default')]);
    const asController = ['--as=system:serviceaccount:mono-system:os-controller'];
    const mayRead = async (namespace: string) =>
      (
        await cluster.kubectl(
          ['auth', 'can-i', 'get', 'configmaps', `--namespace=${namespace}`, ...asController],
          {
            allowFailure: true,
          },
        )
      ).stdout.trim();
    expect(await mayRead('mono-system')).to.equal('yes');
    expect(await mayRead('default')).to.equal('no');
  });

  it('samples: accepted as they are', async () => {
    await cluster.kubectl(['apply', '--kustomize', join(CONFIG, 'samples')]);
  });
});
