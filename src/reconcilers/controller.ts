import type { ObjectMeta } from '../api/meta.ts';
import type { OSUpgradeProgress } from '../api/monok8s/index.ts';
import { AGENT_NAME, APP_LABEL } from '../api/monok8s/index.ts';
import { OSINSTANCE_NAMESPACE, UPSTREAM_PROXY_SELECTOR } from '../api/openeuler/index.ts';
import { gateState, isAtGate } from '../domain/progress.ts';
import type { Request } from '../domain/request.ts';
import { createInformer } from '../kube/informer.ts';
import type { ListWatchClient } from '../kube/list-watch.ts';
import { NODES, OSES, OSINSTANCES, OSUPGRADE_PROGRESSES, OSUPGRADES, PODS } from '../kube/resources.ts';
import type { Informer, InformerChange, KubeClient, Resource, Selection, Workqueue } from '../kube/types.ts';
import { createWorkqueue } from '../kube/workqueue.ts';
import type { ControllerContext } from './context.ts';
import { createFleetView, type World } from './fleet.ts';
import { mergeListers } from './merged-lister.ts';
import { createDrainSessions } from './node/drain-sessions.ts';
import { createNodeReconciler } from './node/reconciler.ts';
import { createOwnWrites } from './own-writes.ts';
import { createCatalogSource } from './request/catalog-source.ts';
import { createRequestReconciler } from './request/reconciler.ts';
import { allRequestKeys, requestKey } from './request/request-key.ts';
import { createTargetSource } from './request/target-source.ts';

/** What the controller is started with. */
export interface ControllerOptions
  extends Omit<ControllerContext, 'client' | 'world' | 'fleet' | 'ownWrites'> {
  readonly client: KubeClient & ListWatchClient;
  /** Fetches the text of a catalog, with all guards. */
  fetchCatalog(url: string): Promise<string>;
  /** Called when the caches are filled and the work begins. */
  onReady?(world: World): void;
}

const NODE_WORKERS = 4;
const BACKOFF = { baseMs: 250, maxMs: 60_000 };

/** Runs the controller while it leads; resolves when `options.signal` has ended it. */
export async function runController(options: ControllerOptions): Promise<void> {
  const { client, log, clock, random, signal } = options;
  const requests = createWorkqueue({ clock, random, log, backoff: BACKOFF });
  const nodes = createWorkqueue({ clock, random, log, backoff: BACKOFF });
  const catalogs = createCatalogSource({
    client,
    random,
    signal,
    namespace: options.namespace,
    fetch: options.fetchCatalog,
    lookAgain: (name, delayMs) => requests.addAfter(requestKey('OSUpgrade', { name }), delayMs),
  });
  const { world, start, fleet } = createCaches(options, { requests, nodes, onRequestGone: catalogs.forget });
  const context: ControllerContext = { ...options, world, fleet, ownWrites: createOwnWrites() };
  const sessions = createDrainSessions({ ...context, client }, name => nodes.add(name));
  await start().catch((error: unknown) => {
    // Leadership that is lost before the first lists have come is no failure: it is stood for again.
    if (!signal.aborted) throw error;
  });
  if (signal.aborted) return;
  for (const key of allRequestKeys(world)) requests.add(key);
  for (const { name } of world.nodes.list()) nodes.add(name);
  for (const { spec } of world.progresses.list()) nodes.add(spec.nodeName);
  log.info('caches filled', { nodes: world.nodes.list().length, requests: allRequestKeys(world).length });
  options.onReady?.(world);
  await Promise.all([
    requests.run(createRequestReconciler(context, createTargetSource(world, catalogs)), 1, signal),
    nodes.run(createNodeReconciler(context, sessions), NODE_WORKERS, signal),
  ]);
}

interface ChangeListeners {
  readonly requests: Workqueue;
  readonly nodes: Workqueue;
  onRequestGone(uid: string): void;
}

/** Makes the caches, and says for each change which keys are to be looked at. */
function createCaches(options: ControllerOptions, { requests, nodes, onRequestGone }: ChangeListeners) {
  const started: Informer<unknown>[] = [];
  const follow = <T>(
    resource: Resource<T>,
    selection: Selection,
    onChange: (change: InformerChange<T>) => void,
  ) => {
    const informer = createInformer({
      client: options.client,
      resource,
      selection,
      log: options.log,
      clock: options.clock,
      random: options.random,
      onChange,
    });
    started.push(informer);
    return informer;
  };
  const allRequests = (): void => {
    for (const key of allRequestKeys(world)) requests.add(key);
  };
  const waitingNodes = (): void => {
    for (const progress of world.progresses.list()) {
      if (isAtGate(progress) && gateState(progress) === 'Closed') nodes.add(progress.spec.nodeName);
    }
  };
  const onNode = (name: string): void => {
    nodes.add(name);
    allRequests();
    waitingNodes();
  };
  const onRequest =
    (kind: Request['kind']) =>
    ({ before, after }: InformerChange<{ readonly metadata: ObjectMeta }>): void => {
      if (after === undefined) onRequestGone(before?.metadata.uid ?? '');
      else requests.add(requestKey(kind, after.metadata));
      allRequests();
      for (const { spec } of world.progresses.list()) nodes.add(spec.nodeName);
    };
  const osNamespaces = [...new Set(options.osNamespaces)];
  const selections = osNamespaces.length === 0 ? [{}] : osNamespaces.map(namespace => ({ namespace }));
  const world: World = {
    nodes: follow(NODES, {}, ({ before, after }) => onNode((after ?? before)?.name ?? '')),
    instances: follow(OSINSTANCES, { namespace: OSINSTANCE_NAMESPACE }, ({ before, after }) =>
      onNode((after ?? before)?.metadata.name ?? ''),
    ),
    agentPods: follow(
      PODS,
      { namespace: options.namespace, labelSelector: `${APP_LABEL}=${AGENT_NAME}` },
      ({ before, after }) => onNode((after ?? before)?.nodeName ?? ''),
    ),
    upstreamProxies: follow(PODS, { labelSelector: UPSTREAM_PROXY_SELECTOR }, ({ before, after }) =>
      onNode((after ?? before)?.nodeName ?? ''),
    ),
    progresses: follow(OSUPGRADE_PROGRESSES, {}, change => {
      if (!matters(change)) return;
      onNode((change.after ?? change.before)?.spec.nodeName ?? '');
    }),
    upgrades: follow(OSUPGRADES, {}, onRequest('OSUpgrade')),
    oses: mergeListers(selections.map(selection => follow(OSES, selection, onRequest('OS')))),
  };
  const fleet = createFleetView(world);
  const start = async (): Promise<void> => {
    await Promise.all(started.map(informer => informer.start(options.signal)));
  };
  return { world, fleet, start };
}

const LONG_SILENCE_MS = 60_000;

/** Bytes that were downloaded change nothing that is decided here, save that the agent is heard again. */
function matters({ before, after }: InformerChange<OSUpgradeProgress>): boolean {
  if (before === undefined || after === undefined) return true;
  const [was, is] = [before.status ?? {}, after.status ?? {}];
  return (
    before.metadata.generation !== after.metadata.generation ||
    was.phase !== is.phase ||
    was.attempt !== is.attempt ||
    was.observedRetryNonce !== is.observedRetryNonce ||
    was.failureReason !== is.failureReason ||
    Date.parse(is.lastUpdatedAt ?? '') - Date.parse(was.lastUpdatedAt ?? '') > LONG_SILENCE_MS
  );
}
