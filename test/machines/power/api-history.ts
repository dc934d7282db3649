import { join } from 'node:path';
import { Client } from 'undici';
import type { Cluster } from '../../env/cluster.ts';

/** Brings back what the API server knew of nodes and plans at an earlier moment. */
export interface ApiHistory {
  /**
   * Makes the requests, plans and instances of every node, and the Node `nodeName`, what they were at a revision, with
   * the UIDs of then: through the API nobody can. Our controller has to be stopped meanwhile, as it would see time go
   * backwards; its caches are right when it is started again.
   * @param revision a `resourceVersion`, which is a revision of etcd; the test cluster forgets none
   */
  restore(revision: string, nodeName: string): Promise<void>;
  close(): Promise<void>;
}

interface KeyValue {
  readonly key: string;
  readonly value: string;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Connects to the cluster's etcd. @source etcd, "gRPC gateway": JSON with keys and values in base64 */
export function openApiHistory(cluster: Cluster): ApiHistory {
  const etcd = new Client('http://localhost', { socketPath: join(cluster.dir, 'etcd:1') });
  const call = async (path: string, body: object): Promise<unknown> => {
    const answer = await etcd.request({ path, method: 'POST', body: JSON.stringify(body) });
    if (answer.statusCode !== 200) throw new Error(`etcd ${path}: ${await answer.body.text()}`);
    return answer.body.json();
  };
  const list = async ([key, rangeEnd]: readonly [string, string], revision?: string): Promise<KeyValue[]> => {
    const answer = await call('/v3/kv/range', {
      ...{ key: base64(key), range_end: base64(rangeEnd) },
      ...(revision !== undefined && { revision }),
    });
    const { kvs = [] }: { kvs?: KeyValue[] } = JSON.parse(JSON.stringify(answer));
    return kvs;
  };
  return {
    restore: async (revision, nodeName) => {
      const ranges = [
        ['/registry/monok8s.io/', '/registry/monok8s.io0'],
        ['/registry/upgrade.openeuler.org/', '/registry/upgrade.openeuler.org0'],
        [`/registry/minions/${nodeName}`, `/registry/minions/${nodeName}\0`],
      ] as const;
      const then = (await Promise.all(ranges.map(range => list(range, revision)))).flat();
      const now = (await Promise.all(ranges.map(range => list(range)))).flat();
      if (then.length === 0) throw new Error(`etcd knows nothing of revision ${revision}`);
      const gone = now.filter(({ key }) => !then.some(other => other.key === key));
      const success = [
        ...then.map(({ key, value }) => ({ requestPut: { key, value } })),
        ...gone.map(({ key }) => ({ requestDeleteRange: { key } })),
      ];
      await call('/v3/kv/txn', { success });
    },
    close: () => etcd.close(),
  };
}
