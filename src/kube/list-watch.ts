import { isExpired } from './api-errors.ts';
import { collectionPath, selectionQuery } from './paths.ts';
import type { Transport } from './transport.ts';
import type { CallOptions, Resource, Selection } from './types.ts';

/** A list of mapped objects with the version that a watch goes on from. */
export interface MappedList<R> {
  readonly items: R[];
  readonly resourceVersion: string;
}

/** What informers need beside `KubeClient`. */
export interface ListWatchClient {
  /** Lists page by page; each raw object is mapped at once, so that only what is kept takes memory. */
  listMapped<R>(
    resource: Resource<unknown>,
    selection: Selection,
    map: (raw: unknown) => R,
    options?: CallOptions,
  ): Promise<MappedList<R>>;
  /** Raw watch events, until the server's timeout. */
  watch(resource: Resource<unknown>, selection: Selection, options: WatchOptions): AsyncIterable<unknown>;
}

/** Bounds of one watch. */
export interface WatchOptions {
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
  /** The server has accepted the watch. */
  readonly onOpen?: () => void;
}

const LIST_TIMEOUT_MS = 30_000;
const PAGE_SIZE = 500;
/** The server ends a watch by itself; when it does not, the connection is dead. */
const WATCH_GRACE_MS = 30_000;

/** Lists and watches over a transport. */
export function createListWatch(transport: Transport): ListWatchClient {
  /** @throws TransientError `Expired` when the continue token got too old between two pages */
  const listPages = async <R>(
    resource: Resource<unknown>,
    selection: Selection,
    map: (raw: unknown) => R,
    { signal, timeoutMs = LIST_TIMEOUT_MS, pageSize }: CallOptions & { pageSize: number },
  ): Promise<MappedList<R>> => {
    const items: R[] = [];
    for (let next: string | undefined; ; ) {
      const page = pageOf(
        await transport.request({
          what: `list ${resource.plural}`,
          method: 'GET',
          path: collectionPath(resource, selection.namespace),
          query: {
            ...selectionQuery(selection),
            ...(pageSize > 0 && { limit: String(pageSize) }),
            ...(next && { continue: next }),
          },
          signal,
          timeoutMs,
        }),
      );
      for (const raw of page.items) items.push(map(raw));
      if (!page.next) return { items, resourceVersion: page.resourceVersion };
      next = page.next;
    }
  };
  return {
    listMapped: async (resource, selection, map, bounds) => {
      try {
        return await listPages(resource, selection, map, { ...bounds, pageSize: PAGE_SIZE });
      } catch (error) {
        if (!isExpired(error)) throw error;
        // Pages would only get too old again: the second try takes everything in one answer.
        return listPages(resource, selection, map, { ...bounds, pageSize: 0 });
      }
    },
    watch: (resource, selection, { resourceVersion, timeoutSeconds, signal, onOpen }) =>
      transport.stream({
        what: `watch ${resource.plural}`,
        method: 'GET',
        path: collectionPath(resource, selection.namespace),
        query: {
          ...selectionQuery(selection),
          watch: 'true',
          allowWatchBookmarks: 'true',
          resourceVersion,
          timeoutSeconds: String(timeoutSeconds),
        },
        signal,
        onOpen,
        timeoutMs: timeoutSeconds * 1000 + WATCH_GRACE_MS,
      }),
  };
}

interface RawList {
  metadata?: { resourceVersion?: string; continue?: string };
  items?: unknown[] | null;
}

function pageOf(raw: unknown): { items: unknown[]; resourceVersion: string; next: string | undefined } {
  const { metadata, items } = raw as RawList;
  return { items: items ?? [], resourceVersion: metadata?.resourceVersion ?? '', next: metadata?.continue };
}
