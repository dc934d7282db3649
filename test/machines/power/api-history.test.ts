import { expect } from 'chai';
import { type Cluster, startCluster } from '../../env/cluster.ts';
import { connectNodeApi, type NodeApi } from '../../env/node/node-api.ts';
import { openApiHistory } from './api-history.ts';

const PROGRESSES = '/apis/monok8s.io/v1alpha1/osupgradeprogresses';

interface Seen {
  readonly metadata: { readonly uid: string; readonly resourceVersion: string; readonly name: string };
  readonly spec: { readonly retryNonce?: string };
}

describe('an API server that is set back', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let api: NodeApi;

  before(async () => {
    cluster = await startCluster({ name: 'history' });
    api = await connectNodeApi(cluster.adminKubeconfig);
    await cluster.installTwinslot();
  });
  after(async () => {
    await api?.close();
    await cluster?.stop();
  });

  it('has the objects of then, with their UIDs, and none that came later', async () => {
    const create = (name: string): Promise<Seen> =>
      api.call('POST', PROGRESSES, {
        content: {
          ...{ apiVersion: 'monok8s.io/v1alpha1', kind: 'OSUpgradeProgress', metadata: { name } },
          spec: { sourceRef: { name: 'request' }, nodeName: 'node' },
        },
      });
    const node = (unschedulable: boolean): object => ({
      ...{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node' }, spec: { unschedulable } },
    });
    const read = <T>(path: string): Promise<T> => api.call('GET', path);
    await api.call('POST', '/api/v1/nodes', { content: node(true) });
    const made = await create('first');
    await api.call('DELETE', `${PROGRESSES}/first`);
    await create('first');
    await create('second');
    const merge = (content: object) => ({ type: 'merge-patch+json' as const, content });
    await api.call('PATCH', '/api/v1/nodes/node', merge({ spec: { unschedulable: false } }));

    const history = openApiHistory(cluster);
    await history.restore(made.metadata.resourceVersion, 'node');
    await history.close();

    const { items } = await read<{ items: Seen[] }>(PROGRESSES);
    expect(items.map(({ metadata: { name, uid } }) => [name, uid])).to.deep.equal([
      ['first', made.metadata.uid],
    ]);
    const { spec } = await read<{ spec: { unschedulable?: boolean } }>('/api/v1/nodes/node');
    expect(spec.unschedulable).to.equal(true);
    const retry = merge({ spec: { retryNonce: 'again' } });
    const { spec: changed } = await api.call<Seen>('PATCH', `${PROGRESSES}/first`, retry);
    expect(changed.retryNonce, 'can be changed as before').to.equal('again');
  });
});
