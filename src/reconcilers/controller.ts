import type { ListWatchClient } from '../kube/list-watch.ts';
import type { KubeClient } from '../kube/types.ts';
import { createWorkqueue } from '../kube/workqueue.ts';
import { createCaches } from './caches.ts';
import type { ControllerContext } from './context.ts';
import { createFleetView, type World } from './fleet.ts';
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
  const { world, start } = createCaches(options, { requests, nodes, onRequestGone: catalogs.forget });
  const fleet = createFleetView(world);
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
