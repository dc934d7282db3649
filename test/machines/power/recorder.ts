import { setTimeout as delay } from 'node:timers/promises';
import type { OSUpgradeProgress, Phase } from '../../../src/api/monok8s/index.ts';
import type { NodeApi } from '../../env/node/node-api.ts';
import type { Machine } from '../qemu/machine.ts';
import type { WriteLog } from './write-log.ts';

/** Something that changed on the API server, and how far the disk had got when that was heard of. */
export interface Change {
  /** Entries of the disk's log. */
  readonly entries: number;
  /** The API server's state after it. */
  readonly revision: string;
  /** If it is a plan that changed. */
  readonly plan?: { readonly name: string; readonly phase: Phase };
}

/** How the disk and the API server went together. */
export interface Timeline {
  readonly changes: readonly Change[];
  /** Length of the log at the beginning of each boot since the recording began. */
  readonly boots: readonly number[];
}

/** A recording that is under way. */
export interface Recorder {
  readonly timeline: Timeline;
  stop(): Promise<void>;
}

const WATCHED = [
  '/apis/monok8s.io/v1alpha1/osupgradeprogresses',
  '/apis/monok8s.io/v1alpha1/osupgrades',
  '/apis/upgrade.openeuler.org/v1alpha1/osinstances',
  '/apis/upgrade.openeuler.org/v1alpha1/os',
  '/api/v1/nodes',
];

interface Watched {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly status?: OSUpgradeProgress['status'];
}

/**
 * Notes each change of the API objects together with the length of the log. A change is heard of a little after it was
 * made, so the disk is never older than what is noted for it.
 */
export async function startRecorder(api: NodeApi, machine: Machine, log: WriteLog): Promise<Recorder> {
  const stop = new AbortController();
  const changes: Change[] = [];
  const boots: number[] = [];
  let isOver = false;
  const { metadata } = await api.call<{ metadata: { resourceVersion: string } }>('GET', '/api/v1/nodes');
  const since = metadata.resourceVersion;
  changes.push({ entries: log.advance(), revision: since });
  const watches = WATCHED.map(path =>
    api
      .watch<Watched>(
        `${path}?watch=1&resourceVersion=${since}&timeoutSeconds=3600`,
        (_, { kind, metadata, status }) => {
          const plan = kind === 'OSUpgradeProgress' && {
            plan: { name: metadata.name, phase: status?.phase ?? 'Pending' },
          };
          changes.push({ entries: log.advance(), revision: metadata.resourceVersion, ...plan });
        },
        stop.signal,
      )
      .catch((error: unknown) => {
        if (!isOver) throw error;
      }),
  );
  const booted = machine.boots.length;
  const follow = async (): Promise<void> => {
    while (!isOver) {
      const entries = log.advance();
      while (boots.length < machine.boots.length - booted) boots.push(entries);
      await delay(50);
    }
  };
  const following = follow();
  return {
    timeline: { changes, boots },
    stop: async () => {
      isOver = true;
      stop.abort();
      await Promise.all([...watches, following]);
      log.advance();
    },
  };
}

/** The API server's state that goes with a disk whose log has `entries`. */
export function revisionAt({ changes }: Timeline, entries: number): string {
  const change = changes.findLast(({ entries: known }) => known <= entries) ?? changes[0];
  if (change === undefined) throw new Error('nothing was recorded');
  return change.revision;
}

/** Where each phase of the last plan but `back` begins, in entries of the log. */
export function phasesOf({ changes }: Timeline, planName: string): { phase: Phase; entries: number }[] {
  const phases: { phase: Phase; entries: number }[] = [];
  for (const { plan, entries } of changes)
    if (plan?.name === planName && plan.phase !== phases.at(-1)?.phase)
      phases.push({ phase: plan.phase, entries });
  return phases;
}
