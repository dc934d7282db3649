import type { OSUpgrade, OSUpgradeProgress } from '../api/monok8s/index.ts';
import { AGENT_NAME, APP_LABEL } from '../api/monok8s/index.ts';
import { OSINSTANCE_NAMESPACE } from '../api/openeuler/index.ts';
import { gateState, isAtGate } from '../domain/progress.ts';
import { createInformer } from '../kube/informer.ts';
import type { ListWatchClient } from '../kube/list-watch.ts';
import { NODES, OSINSTANCES, OSUPGRADE_PROGRESSES, OSUPGRADES, PODS } from '../kube/resources.ts';
import type { Informer, InformerChange, KubeClient, Resource, Selection, Workqueue } from '../kube/types.ts';
import { createWorkqueue } from '../kube/workqueue.ts';
import type { ControllerContext } from './context.ts';
import { createFleetView, type World } from './fleet.ts';
import { createDrainSessions } from './node/drain-sessions.ts';
import { createNodeReconciler } from './node/reconciler.ts';
import { createCatalogSource } from './osupgrade/catalog-source.ts';
import { createRequestReconciler } from './osupgrade/reconciler.ts';
import { createOwnWrites } from './own-writes.ts';

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
    lookAgain: (name, delayMs) => requests.addAfter(name, delayMs),
  });
  const { world, start, fleet } = createCaches(options, { requests, nodes, onRequestGone: catalogs.forget });
  const context: ControllerContext = { ...options, world, fleet, ownWrites: createOwnWrites() };
  const sessions = createDrainSessions({ ...context, client }, name => nodes.add(name));
  await start();
  if (signal.aborted) return;
  for (const { metadata } of world.requests.list()) requests.add(metadata.name);
  for (const { name } of world.nodes.list()) nodes.add(name);
  for (const { spec } of world.progresses.list()) nodes.add(spec.nodeName);
  log.info('caches filled', { nodes: world.nodes.list().length, requests: world.requests.list().length });
  options.onReady?.(world);
  await Promise.all([
    requests.run(createRequestReconciler(context, catalogs), 1, signal),
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
    for (const { metadata } of world.requests.list()) requests.add(metadata.name);
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
    progresses: follow(OSUPGRADE_PROGRESSES, {}, change => {
      if (!matters(change)) return;
      onNode((change.after ?? change.before)?.spec.nodeName ?? '');
    }),
    requests: follow(OSUPGRADES, {}, ({ before, after }: InformerChange<OSUpgrade>) => {
      if (after === undefined) onRequestGone(before?.metadata.uid ?? '');
      else requests.add(after.metadata.name);
      allRequests();
      for (const { spec } of world.progresses.list()) nodes.add(spec.nodeName);
    }),
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
