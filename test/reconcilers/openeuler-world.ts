import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { MANAGED_LABEL, type OSUpgradeProgress, type Phase } from '../../src/api/monok8s/index.ts';
import type { OS } from '../../src/api/openeuler/index.ts';
import { OSUPGRADE_PROGRESSES, PODS } from '../../src/kube/resources.ts';
import { type Call, isWrite, prepareAudit, readCalls } from '../env/audit.ts';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { type ControllerProcess, startController } from '../env/controller-process.ts';
import { eventually } from '../env/wait.ts';
import { type Fleet, startFleet } from './fleet-fixture.ts';

/** An Event as kubectl shows it. */
export interface EventSeen {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

/** A control plane with a fleet of played agents, and what KubeOS administrators see of it. */
export interface World {
  readonly cluster: Cluster;
  readonly fleet: Fleet;
  /** The one that runs now. */
  readonly controller: ControllerProcess;
  /** Ends the controller by SIGKILL; what a test does meanwhile happens without one. */
  restartController(meanwhile?: () => Promise<void>): Promise<void>;
  /** What the controller asked for from now on until the function that it resolves to is called. */
  countCalls(): Promise<() => Promise<Call[]>>;
  /** What the controller wrote from now on until `end` is called, Events left out. */
  countWrites(): Promise<() => Promise<Call[]>>;
  events(): Promise<EventSeen[]>;
  untilComplete(os: string, namespace?: string): Promise<OS>;
  /** Waits until a node shows no trace of any work: neither labels nor cordon, its OSInstance idle. */
  untilIdle(node: string): Promise<void>;
  untilPhase(node: string, phase: Phase): Promise<OSUpgradeProgress>;
  /** Waits until the gate of a node's plan gives this reason. */
  untilGate(node: string, reason: string): Promise<OSUpgradeProgress>;
  /** Waits until there is an Event with these fields. */
  untilEvent(wanted: Partial<EventSeen>): Promise<EventSeen>;
  /** Sets back when a drain began, so that its time is over now. */
  letTimeBeOver(progress: OSUpgradeProgress): Promise<void>;
  /** Names of the pods in `default`. */
  podNames(): Promise<string[]>;
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** How a world is made. */
export interface WorldOptions {
  readonly name: string;
  readonly controllerFlags?: readonly string[];
  /** Runs before our kinds are installed. */
  before?(cluster: Cluster): Promise<void>;
  /** Runs before the controller starts. */
  prepare?(cluster: Cluster, fleet: Fleet): Promise<void>;
}

/** Whether all that an OS asks for is done. */
export const isComplete = ({ status }: OS): boolean => conditionOf(status, 'Complete')?.status === 'True';

/** One condition of a status. */
export const conditionOf = (status: OS['status'], type: string) =>
  status?.conditions?.find(condition => condition.type === type);

/** A label of upstream KubeOS. */
export const labelOf = (name: string): string => `upgrade.openeuler.org/${name}`;

const TRACES = ['upgrading', 'configuring', 'serial'].map(labelOf);

/** Starts everything; the controller runs with the rights that it has in production. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'twinslot-openeuler-'));
  const audit = await prepareAudit(folder);
  const cluster = await startCluster({
    name: options.name,
    scheduler: false,
    nodeMonitorGraceSeconds: 3600,
    apiServerFlags: audit.flags,
  });
  await options.before?.(cluster);
  await cluster.installTwinslot();
  const fleet = await startFleet(cluster);
  await options.prepare?.(cluster, fleet);
  const start = () => startController(cluster, options.controllerFlags);
  let controller = await start();
  await controller.untilLogged('caches filled');
  const callsOfController = async () =>
    (await readCalls(audit.file)).filter(({ user }) => user === 'os-controller');
  const countCalls = async () => {
    const { length } = await callsOfController();
    return async () => (await callsOfController()).slice(length);
  };
  return {
    cluster,
    fleet,
    get controller() {
      return controller;
    },
    restartController: async meanwhile => {
      await controller.kill();
      await meanwhile?.();
      controller = await start();
      await controller.untilLogged('caches filled');
    },
    countCalls,
    countWrites: async () => {
      const end = await countCalls();
      return async () => (await end()).filter(call => isWrite(call) && call.resource !== 'events');
    },
    events: () => eventsOf(cluster),
    untilComplete: (os, namespace) => fleet.untilOS(os, 'is complete', isComplete, namespace),
    untilIdle: node => untilIdle(fleet, node),
    untilPhase: (node, phase) =>
      fleet.untilProgress(node, `is ${phase}`, ({ status }) => status?.phase === phase),
    untilGate: (node, reason) =>
      fleet.untilProgress(node, `waits: ${reason}`, ({ spec }) => spec.plan?.gate.reason === reason),
    untilEvent: wanted =>
      eventually(async () => (await eventsOf(cluster)).find(event => isLike(event, wanted)), {
        timeoutMs: 10_000,
        what: `an Event ${JSON.stringify(wanted)}`,
      }),
    letTimeBeOver: async ({ metadata: { name } }) => {
      const gate = { since: new Date(Date.now() - 3_600_000).toISOString() };
      const body = { spec: { plan: { gate } } };
      await fleet.client.patch(OSUPGRADE_PROGRESSES, { name }, { type: 'merge', body });
    },
    podNames: async () =>
      (await fleet.client.list(PODS, { namespace: 'default' })).map(({ name }) => name).toSorted(),
    clear: () => fleet.clear(),
    close: async () => {
      await controller.stop();
      await fleet.close();
      await cluster.stop();
      await rm(folder, { recursive: true });
    },
  };
}

async function eventsOf(cluster: Cluster): Promise<EventSeen[]> {
  const { stdout } = await cluster.kubectl(['get', 'events', '--all-namespaces', '--output=json']);
  const items: readonly RawEvent[] = JSON.parse(stdout).items;
  return items.map(({ metadata, involvedObject, type, reason, message }) => ({
    namespace: metadata.namespace,
    kind: involvedObject.kind,
    name: involvedObject.name,
    type,
    reason,
    message,
  }));
}

const isLike = (event: EventSeen, wanted: Partial<EventSeen>): boolean =>
  isDeepStrictEqual({ ...event, ...wanted }, event);

interface RawEvent extends Pick<EventSeen, 'type' | 'reason' | 'message'> {
  readonly metadata: { readonly namespace: string };
  readonly involvedObject: { readonly kind: string; readonly name: string };
}

async function untilIdle(fleet: Fleet, name: string): Promise<void> {
  await eventually(
    async () => {
      const [{ labels, unschedulable }, { spec }] = [
        await fleet.getNode(name),
        await fleet.getInstance(name),
      ];
      const traces = TRACES.filter(label => label in labels);
      const isFree = traces.length === 0 && !unschedulable;
      return isFree && spec.nodestatus === 'idle' && spec.namespacedname === undefined;
    },
    { timeoutMs: 20_000, what: `${name} shows no trace of any work` },
  );
}

/** After each test: shows what the controller said if it failed, and removes every object. */
export async function tidyUp(world: World, test: Mocha.Test | undefined): Promise<void> {
  if (test?.state === 'failed') for (const line of world.controller.lines) console.log(JSON.stringify(line));
  await world.clear();
}

/** Waits until nobody has anything more to write on these nodes: neither we nor the controller manager. */
export const untilSettled = async (fleet: Fleet, ...names: readonly string[]): Promise<void> => {
  for (const name of names)
    await eventually(
      async () => {
        const { labels, annotations } = await fleet.getNode(name);
        return labels[MANAGED_LABEL] === 'true' && 'node.alpha.kubernetes.io/ttl' in annotations;
      },
      { timeoutMs: 20_000, what: `${name} is settled` },
    );
};
