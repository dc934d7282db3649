import { expect } from 'chai';
import { parse } from 'yaml';
import { type CatalogReader, createCatalogReader } from '../../src/agent/catalog-source.ts';
import { messageOf, reasonOf } from '../../src/domain/errors.ts';
import { createKubeClient, type FullKubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/connection.ts';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { eventually } from '../env/wait.ts';
import { recordingLog } from './host/recording-log.ts';

describe("a catalog in a ConfigMap, read with the agent's rights", function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let client: FullKubeClient;
  let read: CatalogReader;

  before(async () => {
    cluster = await startCluster({ name: 'catalog', controllerManager: false, scheduler: false });
    await cluster.installTwinslot();
    const kubeconfig = await cluster.serviceAccountKubeconfig({
      namespace: 'mono-system',
      serviceAccount: 'node-agent',
    });
    client = createKubeClient(await loadConnection({ kubeconfig }), { log: recordingLog().log });
    read = createCatalogReader(client, new AbortController().signal);
    await cluster.kubectl([
      ...['create', 'configmap', 'images-cm', '--namespace=mono-system'],
      '--from-literal=catalog.yaml=images: []',
    ]);
  });
  after(async () => {
    await client?.close();
    await cluster?.stop();
  });

  const refusal = (name: string): Promise<unknown> =>
    read({ configMap: name }).catch((error: unknown) => error);

  it('is refused with the command and the rule that allow it, and these do', async () => {
    const error = await refusal('images-cm');
    expect(reasonOf(error)).to.equal('CatalogForbidden');
    const [, role = '', rules = ''] =
      /kubectl edit clusterrole (\S+): (rules: \[.+?\}\])/.exec(messageOf(error)) ?? [];
    const patch = JSON.stringify(parse(rules));
    await cluster.kubectl(['patch', 'clusterrole', role, '--type=merge', `--patch=${patch}`]);
    const text = await eventually(() => read({ configMap: 'images-cm' }).catch(() => undefined), {
      timeoutMs: 10_000,
      what: 'the catalog may be read',
    });
    expect(text).to.equal('images: []');
  });

  it('is missing', async () => {
    const error = await refusal('none');
    expect(reasonOf(error)).to.equal('CatalogMissing');
    expect(messageOf(error)).to.contain('mono-system/none');
  });
});
