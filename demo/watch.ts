import { setTimeout as delay } from 'node:timers/promises';
import type { OSUpgradeProgress } from '../src/api/monok8s/index.ts';
import type { RequestStatus } from '../src/api/request-status.ts';
import { dim, liveBlock, progressLines } from './screen.ts';
import { quote, read, type Stage } from './stage.ts';

/** The document's own command to see which system each node runs. */
export const GET_SYSTEMS = [
  ...['get', 'nodes', '-o'],
  'custom-columns=NAME:.metadata.name,OS:.status.nodeInfo.osImage',
] as const;

const PATIENCE_MS = 300_000;

/** A request of either API. */
export interface WatchedRequest {
  readonly metadata: { readonly name: string; readonly generation?: number };
  readonly status?: RequestStatus;
}

/** What is watched, and until when. */
export interface Watch {
  /** `osupgrade my-upgrade`, as `kubectl get` takes it. */
  readonly request: readonly [kind: string, name: string];
  /** The commands whose output a person would look at. */
  readonly tables: readonly (readonly string[])[];
  isOver(request: WatchedRequest, progresses: readonly OSUpgradeProgress[]): boolean;
  /** Lines to show below the nodes; they only grow. */
  footer?(): readonly string[];
  /** Default five minutes. */
  readonly patienceMs?: number;
}

/** Shows the tables that a person would watch, until it is over. Resolves to the nodes' parts in the last rollout. */
export async function watchRollout(
  stage: Stage,
  { request: [kind, name], tables, isOver, footer, patienceMs = PATIENCE_MS }: Watch,
): Promise<readonly OSUpgradeProgress[]> {
  const block = liveBlock();
  const startedMs = performance.now();
  for (;;) {
    const [texts, request, list] = await Promise.all([
      Promise.all(tables.map(table => stage.cluster.kubectl(table))),
      read<WatchedRequest>(stage, kind, name),
      read<{ items: OSUpgradeProgress[] }>(stage, 'osupgradeprogresses'),
    ]);
    const own = list.items.filter(({ spec }) => isOfRollout(spec, request));
    const shown = tables.flatMap((table, index) => [
      dim(`$ kubectl ${table.map(quote).join(' ')}`),
      texts[index]?.stdout.trimEnd() || 'No resources found',
    ]);
    const lines = progressLines(own);
    block.draw(
      shown.join('\n'),
      lines.length > 0 ? lines : ['The controller is looking at the request.'],
      footer?.(),
    );
    if (isOver(request, own)) {
      block.end();
      return own;
    }
    if (performance.now() - startedMs > patienceMs)
      throw new Error(`${name} did not end within ${patienceMs / 1000} s: ${JSON.stringify(request.status)}`);
    await delay(500);
  }
}

const isOfRollout = (
  { sourceRef, plan }: OSUpgradeProgress['spec'],
  { metadata, status }: WatchedRequest,
): boolean => sourceRef.name === metadata.name && plan?.rollout === status?.rollout;

/** All that could be done is done, for the spec as it is now. */
export const isComplete = ({ metadata, status }: WatchedRequest): boolean =>
  status?.observedGeneration === metadata.generation &&
  (status?.conditions ?? []).some(({ type, status: value }) => type === 'Complete' && value === 'True');

/** A node has given up. */
export const hasFailure = (_: WatchedRequest, progresses: readonly OSUpgradeProgress[]): boolean =>
  progresses.some(({ status }) => status?.phase === 'Failed');
