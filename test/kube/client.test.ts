import { expect } from 'chai';
import { messageOf, reasonOf, StalledError, TransientError } from '../../src/domain/errors.ts';
import { createKubeClient, type FullKubeClient } from '../../src/kube/client.ts';
import { type Connection, loadConnection } from '../../src/kube/connection.ts';
import { cordon, setNodeMetadata, uncordon } from '../../src/kube/node.ts';
import { CONFIG_MAPS, NODES, OSUPGRADES, PODS } from '../../src/kube/resources.ts';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { errorOf, recordLog, startProxy, type TcpProxy } from './help.ts';

const DEFAULT = { namespace: 'default' };

const configMap = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', labels: { test: 'yes' } },
  data,
});

const pod = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels: { app: name } },
  spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'example.invalid/c' }] },
});

describe('kube/client on a real API server', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let proxy: TcpProxy;
  let connection: Connection;
  let client: FullKubeClient;

  const clientOver = (url: string, more: Partial<Connection> = {}) =>
    createKubeClient({ ...connection, server: url, ...more }, { log: recordLog().log, maxConnections: 8 });

  before(async () => {
    cluster = await startCluster({ name: 'kube-client', controllerManager: false, scheduler: false });
    proxy = await startProxy(cluster.serverUrl);
    connection = await loadConnection({ kubeconfig: cluster.adminKubeconfig });
    client = clientOver(cluster.serverUrl);
  });
  after(async () => {
    await client?.close();
    await proxy?.close();
    await cluster?.stop();
  });

  it('tells the version of the server and who we are', async () => {
    expect(await client.serverVersion()).to.match(/^v1\.\d+\.\d+/);
    const { username } = await client.whoAmI();
    expect(username).to.equal('admin');
  });

  it('makes 200 lists over a kept connection, and as many at once over no more than it may', async () => {
    const pooled = clientOver(proxy.url);
    const before = proxy.accepted;
    for (let i = 0; i < 200; i += 1) await pooled.list(NODES, {});
    // The pool may not have noticed yet that its first connection is free when the second call comes.
    expect(proxy.accepted - before).to.be.within(1, 2);
    await Promise.all(Array.from({ length: 200 }, () => pooled.list(NODES, {})));
    expect(proxy.accepted - before).to.be.within(3, 8);
    await pooled.close();
  });

  it('tries a read again whose kept connection had ended', async () => {
    const pooled = clientOver(proxy.url);
    await pooled.list(NODES, {});
    proxy.cut();
    expect(await pooled.list(NODES, {})).to.deep.equal([]);
    await pooled.close();
  });

  it('lists more than one page', async () => {
    const names = Array.from({ length: 1100 }, (_, i) => `page-${i}`);
    for (let i = 0; i < names.length; i += 50)
      await Promise.all(names.slice(i, i + 50).map(name => client.create(CONFIG_MAPS, configMap(name))));
    const listed = await client.list(CONFIG_MAPS, { ...DEFAULT, labelSelector: 'test=yes' });
    expect(listed.map(object => object.name)).to.have.members(names);
  });

  it('merges with a resource version as a precondition', async () => {
    const ref = { name: 'merge', ...DEFAULT };
    await client.create(CONFIG_MAPS, configMap('merge', { a: '1' }));
    const changed = await client.patch(CONFIG_MAPS, ref, { type: 'merge', body: { data: { b: '2' } } });
    expect(changed.data).to.deep.equal({ a: '1', b: '2' });
    const error = await errorOf(
      client.patch(CONFIG_MAPS, ref, {
        type: 'merge',
        body: { metadata: { resourceVersion: '1' }, data: { b: '3' } },
      }),
    );
    expect(error).to.be.instanceOf(TransientError);
    expect(reasonOf(error)).to.equal('Conflict');
  });

  it('takes a JSON patch whose test fails for a conflict', async () => {
    await client.create(CONFIG_MAPS, configMap('json', { a: '1' }));
    for (const path of ['/data/a', '/data/missing']) {
      const error = await errorOf(
        client.patch(
          CONFIG_MAPS,
          { name: 'json', ...DEFAULT },
          { type: 'json', body: [{ op: 'test', path, value: '2' }] },
        ),
      );
      expect(error, path).to.be.instanceOf(TransientError);
      expect(reasonOf(error), path).to.equal('Conflict');
    }
  });

  it('applies on the server', async () => {
    const body = configMap('applied', { a: '1' });
    const apply = (fieldManager: string, force = false) =>
      client.patch(
        CONFIG_MAPS,
        { name: 'applied', ...DEFAULT },
        { type: 'apply', body, fieldManager, force },
      );
    expect((await apply('one')).data).to.deep.equal({ a: '1' });
    body.data = { a: '2' };
    expect(reasonOf(await errorOf(apply('two')))).to.equal('Conflict');
    expect((await apply('two', true)).data).to.deep.equal({ a: '2' });
  });

  it('deletes only the very object that was meant', async () => {
    const ref = { name: 'deleted', ...DEFAULT };
    await client.create(CONFIG_MAPS, configMap('deleted'));
    await client.delete(CONFIG_MAPS, { ...ref, uid: '00000000-0000-0000-0000-000000000000' });
    expect(await client.get(CONFIG_MAPS, ref)).to.have.property('name', 'deleted');
    await client.delete(CONFIG_MAPS, ref);
    expect(await client.get(CONFIG_MAPS, ref)).to.equal(undefined);
    await client.delete(CONFIG_MAPS, ref);
  });

  describe('errors', () => {
    const cases: {
      name: string;
      call: (c: FullKubeClient) => Promise<unknown>;
      kind: typeof TransientError | typeof StalledError;
      reason: string;
      message: RegExp;
    }[] = [
      {
        name: 'an object that exists',
        call: async c => {
          await c.create(CONFIG_MAPS, configMap('twice'));
          await c.create(CONFIG_MAPS, configMap('twice'));
        },
        kind: StalledError,
        reason: 'AlreadyExists',
        message: /create configmaps\/default\/twice: .*already exists/,
      },
      {
        name: 'an object that is not valid',
        call: c => c.create(CONFIG_MAPS, configMap('Not Valid')),
        kind: StalledError,
        reason: 'Invalid',
        message: /Not Valid/,
      },
      {
        name: 'a patch of an object that is not there',
        call: c => c.patch(CONFIG_MAPS, { name: 'no', ...DEFAULT }, { type: 'merge', body: {} }),
        kind: StalledError,
        reason: 'NotFound',
        message: /"no" not found/,
      },
      {
        name: 'a kind that is not installed',
        call: c => c.get(OSUPGRADES, { name: 'x' }),
        kind: StalledError,
        reason: 'NotFound',
        message: /ctl create crds/,
      },
    ];
    for (const c of cases)
      it(`${c.name}: ${c.reason}`, async () => {
        const error = await errorOf(c.call(client));
        expect(error).to.be.instanceOf(c.kind);
        expect(reasonOf(error)).to.equal(c.reason);
        expect(messageOf(error)).to.match(c.message);
      });

    it('a person without the right: Forbidden; a token that is wrong: Unauthorized, and it is not in the message', async () => {
      const { cert: _cert, key: _key, ...tls } = connection.tls;
      const nobody = clientOver(cluster.serverUrl, { tls, authorization: async () => 'Bearer very-secret' });
      const refused = await errorOf(nobody.list(NODES, {}));
      expect(refused).to.be.instanceOf(TransientError);
      expect(reasonOf(refused)).to.equal('Unauthorized');
      expect(messageOf(refused)).to.not.contain('very-secret');
      const kubeconfig = await cluster.kubeletKubeconfig('n9');
      const node = createKubeClient(await loadConnection({ kubeconfig }), { log: recordLog().log });
      const forbidden = await errorOf(node.list(CONFIG_MAPS, DEFAULT));
      expect(forbidden).to.be.instanceOf(StalledError);
      expect(reasonOf(forbidden)).to.equal('Forbidden');
      await Promise.all([nobody.close(), node.close()]);
    });

    it('a token that was replaced meanwhile is read again and accepted', async () => {
      await cluster.kubectl(['create', 'serviceaccount', 'reader']);
      const path = await cluster.serviceAccountKubeconfig({ namespace: 'default', serviceAccount: 'reader' });
      const good = await loadConnection({ kubeconfig: path });
      const asked: boolean[] = [];
      const authorization = async (isStale = false) => {
        asked.push(isStale);
        return isStale ? good.authorization() : 'Bearer outdated';
      };
      const reader = clientOver(cluster.serverUrl, { tls: good.tls, authorization });
      expect((await reader.whoAmI()).username).to.equal('system:serviceaccount:default:reader');
      expect(asked).to.deep.equal([false, true]);
      await reader.close();
    });

    it('no answer: ApiTimeout; nobody there: ApiUnreachable; ended by the caller: Aborted', async () => {
      const blackholed = clientOver(proxy.url);
      proxy.blackhole(true);
      const startMs = performance.now();
      const late = await errorOf(blackholed.list(NODES, {}, { timeoutMs: 300 }));
      expect(performance.now() - startMs).to.be.below(3000);
      proxy.blackhole(false);
      expect(reasonOf(late)).to.equal('ApiTimeout');
      const nobody = clientOver('https://127.0.0.1:1');
      expect(reasonOf(await errorOf(nobody.list(NODES, {})))).to.equal('ApiUnreachable');
      const signal = AbortSignal.abort();
      expect(reasonOf(await errorOf(client.list(NODES, {}, { signal })))).to.equal('Aborted');
      // Its unfinished handshake would be waited for.
      void blackholed.close();
      await nobody.close();
    });

    it('a certificate of another name is refused, and tls-server-name says which name to expect', async () => {
      const byName = cluster.serverUrl.replace('127.0.0.1', 'localhost');
      const wrong = clientOver(byName, { tls: { ...connection.tls, servername: 'other.example' } });
      const error = await errorOf(wrong.list(NODES, {}));
      expect(reasonOf(error)).to.equal('ApiUnreachable');
      expect(messageOf(error)).to.contain('ERR_TLS_CERT_ALTNAME_INVALID');
      await wrong.close();
    });
  });

  describe('nodes', () => {
    before(() => client.create(NODES, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }));
    const read = async () => {
      const node = await client.get(NODES, { name: 'n1' });
      if (!node) throw new Error('node n1 is gone');
      return node;
    };

    it('cordons, remembers it, and uncordons', async () => {
      const cordoned = await cordon(client, await read(), 'progress-1');
      expect(cordoned).to.deep.include({
        unschedulable: true,
        annotations: { 'monok8s.io/cordoned-by': 'progress-1' },
      });
      expect(await cordon(client, cordoned, 'progress-1')).to.equal(cordoned);
      const free = await uncordon(client, cordoned);
      expect(free).to.deep.include({ unschedulable: false, annotations: {} });
      expect(await uncordon(client, free)).to.equal(free);
    });

    it('leaves a node alone that someone else cordoned', async () => {
      await cluster.kubectl(['cordon', 'n1']);
      const theirs = await read();
      expect(await cordon(client, theirs, 'progress-1')).to.equal(theirs);
      expect(await uncordon(client, theirs)).to.equal(theirs);
      expect(await read()).to.deep.equal(theirs);
      await cluster.kubectl(['uncordon', 'n1']);
    });

    it('does not uncordon what has another owner by now', async () => {
      const ours = await cordon(client, await read(), 'progress-1');
      await cluster.kubectl(['annotate', '--overwrite', 'node', 'n1', 'monok8s.io/cordoned-by=progress-2']);
      expect(reasonOf(await errorOf(uncordon(client, ours)))).to.equal('Conflict');
      const now = await read();
      expect(now.unschedulable).to.equal(true);
      await uncordon(client, now);
    });

    it('cordons only the node that was decided on', async () => {
      const stale = await read();
      await cluster.kubectl(['label', 'node', 'n1', 'changed=yes']);
      expect(reasonOf(await errorOf(cordon(client, stale, 'progress-1')))).to.equal('Conflict');
      const other = { ...(await read()), uid: '00000000-0000-0000-0000-000000000000' };
      expect(reasonOf(await errorOf(cordon(client, other, 'progress-1')))).to.equal('Conflict');
    });

    it('sets and removes metadata, and sends nothing when nothing changes', async () => {
      const wanted = {
        labels: { 'monok8s.io/managed': 'true' },
        annotations: { 'monok8s.io/rollout': 'u/1' },
      };
      const set = await setNodeMetadata(client, await read(), wanted);
      expect(set.labels).to.include(wanted.labels);
      expect(await setNodeMetadata(client, set, wanted)).to.equal(set);
      const removed = await setNodeMetadata(client, set, {
        labels: { 'monok8s.io/managed': null, none: null },
      });
      expect(removed.labels).to.not.have.property('monok8s.io/managed');
      expect(removed.annotations).to.include(wanted.annotations);
    });
  });

  describe('evictions', () => {
    const setStatus = (kind: string, name: string, status: object) =>
      cluster.kubectl([
        'patch',
        kind,
        name,
        '--subresource=status',
        '--type=merge',
        '-p',
        JSON.stringify({ status }),
      ]);
    /** A pod that runs: one that is pending is evicted whatever the budget says. */
    const evictable = async (name: string) => {
      const { uid } = await client.create(PODS, pod(name));
      await setStatus('pod', name, { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
      return { name, namespace: 'default', uid };
    };

    it('are accepted; a pod that is gone or that has a successor counts as gone', async () => {
      const evicted = await evictable('free');
      const other = await client.evict({ ...evicted, uid: '00000000-0000-0000-0000-000000000000' });
      expect(other).to.deep.equal({ outcome: 'gone' });
      expect(await client.evict(evicted)).to.deep.equal({ outcome: 'accepted' });
      await cluster.kubectl(['delete', 'pod', 'free', '--force', '--grace-period=0']);
      expect(await client.evict(evicted)).to.deep.equal({ outcome: 'gone' });
    });

    it('are refused with the name of the PodDisruptionBudget', async () => {
      const held = await evictable('held');
      await cluster.kubectl(['create', 'pdb', 'keep-it', '--selector=app=held', '--min-available=1']);
      const unready = await client.evict(held);
      expect(unready).to.deep.include({ outcome: 'refused', budget: 'keep-it' });
      await setStatus('pdb', 'keep-it', {
        ...{ observedGeneration: 1, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
        ...{ disruptionsAllowed: 0, conditions: [] },
      });
      const refused = await client.evict(held);
      expect(refused).to.deep.include({ outcome: 'refused', budget: 'keep-it' });
      expect(refused)
        .to.have.property('message')
        .that.matches(/needs 1 healthy pods/);
    });
  });
});
