import { CORDONED_BY_ANNOTATION, type OSUpgradeProgress } from '../../src/api/monok8s/index.ts';
import { type OSInstance, SERIAL_LABEL, UPGRADING_LABEL } from '../../src/api/openeuler/index.ts';
import type { Cluster } from '../env/cluster.ts';
import { connectNodeApi, type NodeApi } from '../env/node/node-api.ts';
import type { NodeObject } from './machines-view.ts';

interface Listed {
  readonly metadata: { readonly name: string; readonly resourceVersion?: string };
}

/** What was seen of one kind: the objects as they are, and a call for each change of one. */
interface Kind<T> {
  readonly path: string;
  onChange(objects: ReadonlyMap<string, T>, changed: T): void;
}

const ENDS: readonly (string | undefined)[] = ['Completed', 'Failed', 'RolledBack'];

/** Follows nodes, OSInstances and progress objects without a gap, and keeps what must never be otherwise. */
export class Watcher {
  /** The most nodes that were cordoned or not Ready at once. */
  mostOut = 0;
  /** The most nodes that had a plan at work at once. */
  mostAtWork = 0;
  /** The most nodes that bore the label of a serial batch at once. */
  mostInBatch = 0;
  /** Nodes in the order in which they were first cordoned. */
  readonly cordoned: string[] = [];
  /** Things that must not happen, as they were seen. */
  readonly breaches: string[] = [];
  /** What each node's OSInstance said, one after the other: `idle`, `upgrade default/os-sample`. */
  readonly told = new Map<string, string[]>();
  /** Progress objects that work for an `OS`. */
  readonly #ofOS = new Set<string>();
  readonly #life = new AbortController();
  #api: NodeApi | undefined;
  #watches: Promise<unknown> = Promise.resolve();

  /** Begins; resolves when the first lists were read. */
  static async start(cluster: Cluster): Promise<Watcher> {
    const watcher = new Watcher();
    const api = await connectNodeApi(cluster.adminKubeconfig);
    watcher.#api = api;
    const { signal } = watcher.#life;
    const watches = await Promise.all([
      follow<NodeObject>(
        api,
        { path: '/api/v1/nodes', onChange: (all, one) => watcher.#node(all, one) },
        signal,
      ),
      follow<OSInstance>(
        api,
        {
          path: '/apis/upgrade.openeuler.org/v1alpha1/namespaces/default/osinstances',
          onChange: (_, one) => watcher.#instance(one),
        },
        signal,
      ),
      follow<OSUpgradeProgress>(
        api,
        {
          path: '/apis/monok8s.io/v1alpha1/osupgradeprogresses',
          onChange: (all, one) => watcher.#progress(all, one),
        },
        signal,
      ),
    ]);
    watcher.#watches = Promise.all(watches.map(({ ended }) => ended));
    return watcher;
  }

  /** Ends all watches. */
  async stop(): Promise<void> {
    this.#life.abort();
    await this.#watches;
    await this.#api?.close();
  }

  #node(all: ReadonlyMap<string, NodeObject>, { metadata, spec }: NodeObject): void {
    const nodes = [...all.values()];
    this.mostOut = Math.max(this.mostOut, nodes.filter(isOut).length);
    this.mostInBatch = Math.max(
      this.mostInBatch,
      nodes.filter(node => SERIAL_LABEL in node.metadata.labels).length,
    );
    if (spec.unschedulable !== true) return;
    if (!this.cordoned.includes(metadata.name)) this.cordoned.push(metadata.name);
    const isOurs = this.#ofOS.has(metadata.annotations?.[CORDONED_BY_ANNOTATION] ?? '');
    if (isOurs && !(UPGRADING_LABEL in metadata.labels))
      this.breaches.push(`${metadata.name} is cordoned, and no label says that it is upgraded`);
  }

  #instance({ metadata, spec }: OSInstance): void {
    const owner = spec?.namespacedname;
    const text = [spec?.nodestatus, ...(owner ? [`${owner.namespace}/${owner.name}`] : [])].join(' ');
    const told = this.told.get(metadata.name) ?? [];
    if (told.at(-1) !== text) this.told.set(metadata.name, [...told, text]);
  }

  #progress(all: ReadonlyMap<string, OSUpgradeProgress>, { metadata, spec }: OSUpgradeProgress): void {
    if (spec.sourceRef.kind === 'OS') this.#ofOS.add(metadata.name);
    const atWork = [...all.values()].filter(({ status }) => !ENDS.includes(status?.phase));
    this.mostAtWork = Math.max(this.mostAtWork, atWork.length);
  }
}

const isOut = ({ spec, status }: NodeObject): boolean =>
  spec.unschedulable === true ||
  !status.conditions.some(({ type, status: word }) => type === 'Ready' && word === 'True');

/** Lists, then watches from there until the signal; a watch that breaks goes on where it was. */
async function follow<T extends Listed>(
  api: NodeApi,
  { path, onChange }: Kind<T>,
  signal: AbortSignal,
): Promise<{ readonly ended: Promise<void> }> {
  const { items, metadata } = await api.call<{ items: T[]; metadata: { resourceVersion: string } }>(
    'GET',
    path,
  );
  const objects = new Map(items.map(item => [item.metadata.name, item]));
  let version = metadata.resourceVersion;
  for (const item of items) onChange(objects, item);
  const watch = async (): Promise<void> => {
    while (!signal.aborted) {
      await api
        .watch<T>(
          `${path}?watch=1&resourceVersion=${version}`,
          (type, object) => {
            version = object.metadata.resourceVersion ?? version;
            if (type === 'DELETED') objects.delete(object.metadata.name);
            else objects.set(object.metadata.name, object);
            onChange(objects, object);
          },
          signal,
        )
        .catch(error => {
          if (!signal.aborted) throw error;
        });
    }
  };
  return { ended: watch() };
}
