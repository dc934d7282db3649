/** Names one object. `namespace` is absent for cluster-scoped kinds. */
export interface ObjectRef {
  readonly name: string;
  readonly namespace?: string;
}

/** A kind of the API server, with the function that keeps the fields we need of an object and drops the rest. */
export interface Resource<T> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** @throws StalledError `ObjectInvalid` when the object is not what its schema promises */
  parse(raw: unknown): T;
}

/** Which objects a list or watch covers. */
export interface Selection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** Bounds of one call. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** The call is given up after so long. Default 30,000. */
  readonly timeoutMs?: number;
}

/** A change of an object. Put `metadata.resourceVersion` or `metadata.uid` into a merge body as a precondition. */
export type Patch =
  | { readonly type: 'merge'; readonly body: object }
  | { readonly type: 'json'; readonly body: readonly JsonPatchOperation[] }
  | {
      readonly type: 'apply';
      readonly body: object;
      readonly fieldManager: string;
      readonly force?: boolean;
    };

/** One step of a JSON patch. @source RFC 6902 */
export interface JsonPatchOperation {
  readonly op: 'add' | 'remove' | 'replace' | 'test';
  readonly path: string;
  readonly value?: unknown;
}

/** What the Eviction API answered. */
export type EvictionAnswer =
  | { readonly outcome: 'accepted' | 'gone' }
  /** 429: a PodDisruptionBudget forbids it now. `budget` is its name when the server says it. */
  | { readonly outcome: 'refused'; readonly budget?: string; readonly message: string };

/**
 * The API server. Calls fail with a `TransientError` (network, 409 `Conflict`, 429, 5xx, 401) or a `StalledError`
 * (`Forbidden`, `Invalid`, `NotFound`, `AlreadyExists`) whose reason is the API server's own word.
 */
export interface KubeClient {
  /** `undefined` if there is no such object. */
  get<T>(resource: Resource<T>, ref: ObjectRef, options?: CallOptions): Promise<T | undefined>;
  /** All pages of a list. */
  list<T>(resource: Resource<T>, selection: Selection, options?: CallOptions): Promise<T[]>;
  create<T>(resource: Resource<T>, body: object, options?: CallOptions): Promise<T>;
  patch<T>(resource: Resource<T>, ref: ObjectRef, patch: Patch, options?: CallOptions): Promise<T>;
  patchStatus<T>(resource: Resource<T>, ref: ObjectRef, patch: Patch, options?: CallOptions): Promise<T>;
  /** Deletes; an object that is not there is fine. `uid` guards against deleting its successor. */
  delete<T>(resource: Resource<T>, ref: ObjectRef & { uid?: string }, options?: CallOptions): Promise<void>;
  /** Evicts one pod through the Eviction API, with its UID as a precondition. */
  evict(
    pod: { namespace: string; name: string; uid: string },
    options?: CallOptions,
  ): Promise<EvictionAnswer>;
  /** `v1.36.3` */
  serverVersion(options?: CallOptions): Promise<string>;
  /** Identity that the API server sees (SelfSubjectReview). */
  whoAmI(options?: CallOptions): Promise<{ username: string; extra: Record<string, string[]> }>;
  close(): Promise<void>;
}

/** A cache of objects that follows the API server by list and watch, for ever, until its signal ends it. */
export interface Informer<T> {
  /** Starts; resolves when the first list is in the cache. Calls made twice share one start. */
  start(signal: AbortSignal): Promise<void>;
  readonly hasSynced: boolean;
  get(ref: ObjectRef): T | undefined;
  list(): readonly T[];
}

/** A change seen by an informer: `before` is absent for a new object, `after` for one that is gone. */
export interface InformerChange<T> {
  readonly before?: T;
  readonly after?: T;
}

/** Deduplicating queue of keys: a key is worked on by one worker at a time, and again if it was added meanwhile. */
export interface Workqueue {
  add(key: string): void;
  /** The earliest of several delayed additions of a key wins. */
  addAfter(key: string, delayMs: number): void;
  /** Runs until the signal; `work` resolves to a delay in milliseconds after which the key comes again, or nothing. An error brings it back with backoff. */
  run(
    work: (key: string) => Promise<number | undefined>,
    concurrency: number,
    signal: AbortSignal,
  ): Promise<void>;
}

/** Leadership as the holder sees it. */
export interface Leadership {
  /** Milliseconds for which the lease is surely ours; 0 when it is not. */
  remainingMs(): number;
  /** Renews the lease now; resolves to the new `remainingMs`. */
  renew(): Promise<number>;
}

/** Writes Events; never throws, and folds repetitions of the same Event into one object. */
export interface EventRecorder {
  record(about: EventSubject, type: 'Normal' | 'Warning', reason: string, message: string): void;
  /** Waits until what was recorded is written, or given up. */
  flush(): Promise<void>;
}

/** The object that an Event is about. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
}
