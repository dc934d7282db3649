import { expect } from 'chai';
import { systemClock } from '../../src/domain/clock.ts';
import { reasonOf, StalledError } from '../../src/domain/errors.ts';
import { createKubeClient, type FullKubeClient } from '../../src/kube/client.ts';
import { type Connection, loadConnection } from '../../src/kube/connection.ts';
import { createInformer } from '../../src/kube/informer.ts';
import { CONFIG_MAPS, type ConfigMapFacts, NODES, OSUPGRADES } from '../../src/kube/resources.ts';
import type { Informer, InformerChange, Resource } from '../../src/kube/types.ts';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { eventually } from '../env/wait.ts';
import { errorOf, type RecordedLog, recordLog, startProxy, type TcpProxy } from './help.ts';

const configMap = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
  data,
});

/** `+a` was added, `~a` changed, `-a` is gone. */
const signOf = ({ before, after }: InformerChange<{ name: string }>): string =>
  `${before ? (after ? '~' : '-') : '+'}${(after ?? before)?.name}`;

describe('kube/informer on a real API server', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let proxy: TcpProxy;
  let connection: Connection;
  let client: FullKubeClient;
  let distant: FullKubeClient;

  before(async () => {
    cluster = await startCluster({ name: 'kube-informer', controllerManager: false, scheduler: false });
    proxy = await startProxy(cluster.serverUrl);
    connection = await loadConnection({ kubeconfig: cluster.adminKubeconfig });
    client = createKubeClient(connection, { log: recordLog().log });
    distant = createKubeClient({ ...connection, server: proxy.url }, { log: recordLog().log });
    await cluster.kubectl(['create', 'namespace', 'other']);
  });
  after(async () => {
    await client?.close();
    await distant?.close();
    await proxy?.close();
    await cluster?.stop();
  });

  interface Followed<T> extends RecordedLog {
    readonly informer: Informer<T>;
    readonly changes: string[];
    readonly stop: AbortController;
  }

  const stops: AbortController[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop.abort();
    for (const { name } of await client.list(CONFIG_MAPS, { namespace: 'default' }))
      await client.delete(CONFIG_MAPS, { name, namespace: 'default' });
  });

  function follow<T extends { name: string }>(
    resource: Resource<T>,
    options: { over?: FullKubeClient; labelSelector?: string; random?: () => number } = {},
  ): Followed<T> {
    const recorded = recordLog();
    const changes: string[] = [];
    const stop = new AbortController();
    stops.push(stop);
    const { labelSelector } = options;
    const informer = createInformer({
      client: options.over ?? client,
      resource,
      selection: {
        ...(resource.namespaced && { namespace: 'default' }),
        ...(labelSelector && { labelSelector }),
      },
      log: recorded.log,
      clock: systemClock,
      random: options.random ?? Math.random,
      backoff: { baseMs: 50, maxMs: 500 },
      onChange: change => changes.push(signOf(change)),
    });
    return { informer, changes, stop, ...recorded };
  }

  const until = (what: string, check: () => boolean) =>
    eventually(check, { what, timeoutMs: 30_000, everyMs: 10 });
  const untilChanges = (followed: Followed<unknown>, wanted: string[]) =>
    until(
      `changes are ${wanted}, not ${followed.changes}`,
      () => followed.changes.length >= wanted.length,
    ).then(() => expect(followed.changes).to.deep.equal(wanted));
  const write = (name: string, data: Record<string, string>) =>
    client.patch(CONFIG_MAPS, { name, namespace: 'default' }, { type: 'merge', body: { data } });
  const create = (name: string, data: Record<string, string> = {}) =>
    client.create(CONFIG_MAPS, configMap(name, data));

  it('has what is there when it has started, and follows what happens', async () => {
    await create('a');
    const f = follow(CONFIG_MAPS);
    expect(f.informer.hasSynced).to.equal(false);
    await Promise.all([f.informer.start(f.stop.signal), f.informer.start(f.stop.signal)]);
    expect(f.informer.hasSynced).to.equal(true);
    expect(f.informer.get({ name: 'a', namespace: 'default' })).to.have.property('name', 'a');
    await create('b');
    await untilChanges(f, ['+a', '+b']);
    await write('a', { x: '1' });
    await client.delete(CONFIG_MAPS, { name: 'b', namespace: 'default' });
    await untilChanges(f, ['+a', '+b', '~a', '-b']);
    expect(f.informer.list()).to.deep.equal([{ name: 'a', namespace: 'default', data: { x: '1' } }]);
  });

  it('keeps the newest version of an object that changed in nothing we keep, and tells nobody', async () => {
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } };
    await client.create(NODES, node);
    const f = follow(NODES);
    await f.informer.start(f.stop.signal);
    const body = { status: { images: [{ names: ['an image that we do not look at'] }] } };
    const { resourceVersion } = await client.patchStatus(NODES, { name: 'n1' }, { type: 'merge', body });
    await until('the new version is there', () => f.informer.list()[0]?.resourceVersion === resourceVersion);
    expect(f.changes).to.deep.equal(['+n1']);
    await client.patch(NODES, { name: 'n1' }, { type: 'merge', body: { metadata: { labels: { a: 'b' } } } });
    await untilChanges(f, ['+n1', '~n1']);
  });

  it('counts an object that no longer matches the selection as gone', async () => {
    await client.create(CONFIG_MAPS, {
      ...configMap('a'),
      metadata: { name: 'a', namespace: 'default', labels: { l: '1' } },
    });
    const f = follow(CONFIG_MAPS, { labelSelector: 'l=1' });
    await f.informer.start(f.stop.signal);
    await cluster.kubectl(['label', '--overwrite', 'configmap', 'a', 'l=2']);
    await untilChanges(f, ['+a', '-a']);
  });

  it('survives an API server that is killed and comes back, and misses nothing', async () => {
    for (const name of ['stays', 'goes', 'changes']) await create(name);
    const f = follow(CONFIG_MAPS);
    await f.informer.start(f.stop.signal);
    const [goes] = f.informer.list().filter(object => object.name === 'goes');
    expect(goes).to.not.equal(undefined);
    proxy.cut();
    await cluster.killApiServer();
    await until('it says so once', () => f.lines.length > 0);
    await cluster.startApiServer();
    await client.delete(CONFIG_MAPS, { name: 'goes', namespace: 'default' });
    await write('changes', { x: '1' });
    await create('comes');
    await until('it follows again', () => f.changes.length >= 6);
    expect(f.changes.slice(3)).to.deep.equal(['-goes', '~changes', '+comes']);
    const messages = f.lines.map(line => line.message);
    expect(messages.filter(m => m === 'cache follows the API server again')).to.have.length(1);
    expect(messages.length).to.be.below(6);
  });

  it('lists anew after 410 Gone, and tells what it missed, deletions first', async () => {
    for (const name of ['stays', 'goes', 'changes', 'successor']) await create(name);
    let lists = 0;
    const listMapped: FullKubeClient['listMapped'] = (...args) => {
      lists += 1;
      return distant.listMapped(...args);
    };
    const f = follow(CONFIG_MAPS, { over: { ...distant, listMapped } });
    await f.informer.start(f.stop.signal);
    expect(f.changes).to.have.length(4);
    // Cut off while history is discarded: what happens meanwhile is in no watch.
    proxy.blackhole(true);
    proxy.cut();
    await write('changes', { x: '1' });
    for (const name of ['goes', 'successor'])
      await client.delete(CONFIG_MAPS, { name, namespace: 'default' });
    await create('successor');
    await create('comes');
    await cluster.compactEtcd();
    await cluster.stopApiServer();
    await cluster.startApiServer();
    proxy.blackhole(false);
    proxy.cut();
    await until('it has listed anew', () => f.changes.length >= 9);
    expect(lists).to.equal(2);
    expect(f.changes.slice(4)).to.have.members(['-goes', '~changes', '-successor', '+successor', '+comes']);
    expect(f.changes.indexOf('-successor')).to.be.below(f.changes.lastIndexOf('+successor'));
    expect(f.informer.list()).to.have.length(4);
  });

  it('asks again when a watch ends by the timeout of the server, without a list and without a word', async () => {
    let lists = 0;
    let watches = 0;
    const counting = {
      ...client,
      listMapped: ((...args) => {
        lists += 1;
        return client.listMapped(...args);
      }) as FullKubeClient['listMapped'],
      watch: ((resource, selection, options) => {
        watches += 1;
        return client.watch(resource, selection, { ...options, timeoutSeconds: 1 });
      }) as FullKubeClient['watch'],
    };
    const f = follow(CONFIG_MAPS, { over: counting });
    await f.informer.start(f.stop.signal);
    await until('there were three watches', () => watches >= 3);
    await create('a');
    await untilChanges(f, ['+a']);
    expect(lists).to.equal(1);
    expect(f.lines).to.deep.equal([]);
  });

  it('asks for a timeout between 5 and 10 minutes', async () => {
    for (const [chance, seconds] of [
      [0, 300],
      [0.9999, 599],
    ] as const) {
      const asked: number[] = [];
      const watch: FullKubeClient['watch'] = (resource, selection, options) => {
        asked.push(options.timeoutSeconds);
        return client.watch(resource, selection, options);
      };
      const f = follow(CONFIG_MAPS, { over: { ...client, watch }, random: () => chance });
      await f.informer.start(f.stop.signal);
      expect(asked).to.deep.equal([seconds]);
    }
  });

  it('waits for a kind that is not installed yet and for a right that is not given yet, saying so once', async () => {
    await cluster.kubectl(['create', 'serviceaccount', 'watcher']);
    const kubeconfig = await cluster.serviceAccountKubeconfig({
      namespace: 'default',
      serviceAccount: 'watcher',
    });
    const weak = createKubeClient(await loadConnection({ kubeconfig }), { log: recordLog().log });
    const maps = follow(CONFIG_MAPS, { over: weak });
    const named = { ...OSUPGRADES, parse: (raw: unknown) => ({ name: OSUPGRADES.parse(raw).metadata.name }) };
    const upgrades = follow(named);
    const started = Promise.all([
      maps.informer.start(maps.stop.signal),
      upgrades.informer.start(upgrades.stop.signal),
    ]);
    await until('both have failed', () => maps.lines.length > 0 && upgrades.lines.length > 0);
    await cluster.kubectl(['create', 'role', 'r', '--verb=list,watch', '--resource=configmaps']);
    await cluster.kubectl(['create', 'rolebinding', 'r', '--role=r', '--serviceaccount=default:watcher']);
    await cluster.kubectl(['apply', '--server-side', '-f', 'config/crd/monok8s.io_osupgrades.yaml']);
    await started;
    for (const [f, reason] of [
      [maps, 'Forbidden'],
      [upgrades, 'NotFound'],
    ] as const) {
      await until('it says that it works', () => f.lines.length > 1);
      const [first, ...rest] = f.lines;
      expect(first).to.include({ level: 'warn', message: 'cache cannot follow the API server', reason });
      expect(rest.map(line => line.message)).to.deep.equal(['cache follows the API server again']);
    }
    await weak.close();
  });

  it('keeps an object out that cannot be parsed, saying so once, and takes it in when it can', async () => {
    const strict: Resource<ConfigMapFacts> = {
      ...CONFIG_MAPS,
      parse: raw => {
        const object = CONFIG_MAPS.parse(raw);
        if (object.data.bad) throw new StalledError('ObjectInvalid', 'data.bad is set');
        return object;
      },
    };
    await create('a', { bad: '1' });
    const f = follow(strict);
    await f.informer.start(f.stop.signal);
    await write('a', { bad: '2' });
    await create('b');
    await untilChanges(f, ['+b']);
    expect(f.lines.map(line => line.reason)).to.deep.equal(['ObjectInvalid']);
    await client.patch(
      CONFIG_MAPS,
      { name: 'a', namespace: 'default' },
      { type: 'json', body: [{ op: 'remove', path: '/data/bad' }] },
    );
    await untilChanges(f, ['+b', '+a']);
  });

  it('notices a peer that vanished without a word, by its time limit', async () => {
    const short: FullKubeClient['watch'] = async function* (
      resource,
      selection,
      { signal, resourceVersion },
    ) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(500)]);
      yield* distant.watch(resource, selection, { signal: limit, resourceVersion, timeoutSeconds: 300 });
    };
    const f = follow(CONFIG_MAPS, { over: { ...distant, watch: short } });
    await f.informer.start(f.stop.signal);
    proxy.blackhole(true);
    await create('a');
    await until('it has noticed', () => f.lines.length > 0);
    proxy.blackhole(false);
    proxy.cut();
    await untilChanges(f, ['+a']);
  });

  it('ends with its signal: before the first list its start fails, afterwards nothing is left open', async () => {
    const never = follow(CONFIG_MAPS);
    never.stop.abort();
    expect(reasonOf(await errorOf(never.informer.start(never.stop.signal)))).to.equal('Aborted');
    const f = follow(CONFIG_MAPS, { over: distant });
    await f.informer.start(f.stop.signal);
    f.stop.abort();
    await until('its watch is closed', () => proxy.open <= 1);
    expect(f.lines).to.deep.equal([]);
  });

  it('goes on when a handler throws', async () => {
    const { log, lines } = recordLog();
    const stop = new AbortController();
    stops.push(stop);
    const informer = createInformer({
      client,
      resource: CONFIG_MAPS,
      selection: { namespace: 'default' },
      log,
      clock: systemClock,
      random: Math.random,
      onChange: () => {
        throw new Error('handler');
      },
    });
    await informer.start(stop.signal);
    await create('a');
    await until('the object is there', () => informer.list().length === 1);
    expect(lines[0]).to.include({ level: 'error', message: 'change of the cache was not handled' });
  });
});
