import { setTimeout as delay } from 'node:timers/promises';
import type { OS } from '../src/api/openeuler/index.ts';
import { type Call, isWrite, prepareAudit, readCalls } from '../test/env/audit.ts';
import { type Cluster, startCluster } from '../test/env/cluster.ts';
import { makeTempDir, removeTempDir } from '../test/env/cluster-temp-dir.ts';
import { type ControllerProcess, startController } from '../test/env/controller-process.ts';
import { type Fleet, startFleet } from '../test/reconcilers/fleet-fixture.ts';
import { memoryOf } from './measure.ts';
import { type Row, say } from './table.ts';

const NODES = 100;
const AT_ONCE = 10;
const IDLE_MS = 60_000;
const SETTLE_MS = 10_000;

/** What the controller alone costs at 100 nodes, whose agents and kubelets are played and answer at once. */
export async function measureLargeFleet(stack: AsyncDisposableStack): Promise<Row[]> {
  say(`starting a control plane, a controller and ${NODES} played nodes`);
  const dir = makeTempDir('bench-large');
  stack.defer(() => removeTempDir(dir));
  const audit = await prepareAudit(dir);
  const cluster = await startCluster({
    name: 'bench-large',
    scheduler: false,
    nodeMonitorGraceSeconds: 3600,
    apiServerFlags: audit.flags,
  });
  stack.defer(() => cluster.stop());
  await cluster.installTwinslot();
  const fleet = await startFleet(cluster);
  stack.defer(() => fleet.close());
  const controller = await startController(cluster, ['--lease-seconds=15']);
  stack.defer(async () => void (await controller.stop()));
  await controller.untilLogged('caches filled');
  const world = { cluster, fleet, controller, auditFile: audit.file };
  await makeNodes(fleet, NODES);
  await untilManaged(world, NODES);
  const late = await measureLateNode(world);
  const rollout = await measureRollout(world);
  return [...late, ...rollout, ...(await measureIdle(world))];
}

interface World {
  readonly cluster: Cluster;
  readonly fleet: Fleet;
  readonly controller: ControllerProcess;
  readonly auditFile: string;
}

async function makeNodes(fleet: Fleet, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    // The last 59 keep out of the first rollout, of which 40 are done and one is left.
    const group = i <= 40 ? 'first' : 'second';
    const labels = { 'upgrade.openeuler.org/node-selector': group };
    const osImage = i < 40 ? 'KubeOS 1.0.1' : 'KubeOS 1.0.0';
    await fleet.makeNodes({ name: `node-${String(i).padStart(3, '0')}`, osImage, labels });
  }
}

async function untilManaged({ cluster }: World, count: number): Promise<void> {
  const managed = ['get', 'nodes', '-l', 'monok8s.io/managed=true', '-o', 'name'];
  while ((await cluster.kubectl(managed)).stdout.trim().split('\n').length < count) await delay(200);
  // For what the controller manager writes on new nodes.
  await delay(SETTLE_MS);
}

/** 40 nodes are done and one is left, the budget is 1. */
async function measureLateNode({ fleet, controller }: World): Promise<Row[]> {
  say('40 nodes done, and one left');
  const { length } = controller.lines;
  const beganMs = performance.now();
  await fleet.os('late', { nodeselector: 'first', timeinterval: 15 });
  await fleet.untilOS('late', 'is complete', isComplete);
  const seconds = (performance.now() - beganMs) / 1000;
  const looks = controller.lines.slice(length).filter(({ message }) => message === 'request looked at');
  const passes = looks.findIndex(({ plans }) => Number(plans) > 0) + 1;
  return [
    {
      what: '40 nodes done and 1 old, maxunavailable 1',
      figure: `${passes} pass`,
      detail: `and ${seconds.toFixed(2)} s (KubeOS: 1 to more than 85 passes of 15 s, by chance)`,
    },
  ];
}

/** All 100 nodes, 10 at once. */
async function measureRollout({ fleet, controller, auditFile }: World): Promise<Row[]> {
  say(`upgrading ${NODES} nodes, ${AT_ONCE} at once`);
  const { length } = await callsOf(auditFile);
  const beganMs = performance.now();
  await fleet.os('all', {
    osversion: 'KubeOS 1.0.2',
    nodeselector: 'all-label',
    maxunavailable: AT_ONCE,
  });
  await untilDone(fleet);
  const seconds = (performance.now() - beganMs) / 1000;
  await delay(SETTLE_MS);
  const calls = (await callsOf(auditFile)).slice(length).filter(({ verb }) => verb !== 'watch');
  const writes = calls.filter(isWrite);
  const perNode = (some: readonly Call[]): string => (some.length / NODES).toFixed(1);
  const of = (...resources: string[]): Call[] =>
    writes.filter(({ resource }) => resources.includes(resource));
  const events = of('events');
  const reads = calls.filter(call => !isWrite(call) && call.resource !== 'leases');
  return [
    {
      what: `OS, ${NODES} nodes: controller's writes for each node`,
      figure: perNode(writes.filter(call => !events.includes(call))),
      detail: `nodes ${perNode(of('nodes'))}, plans ${perNode(of('osupgradeprogresses'))}, OSInstances ${perNode(of('osinstances'))}, status of the OS objects ${perNode(of('os/status'))}; Events ${perNode(events)} more`,
    },
    {
      what: `OS, ${NODES} nodes: controller's reads for each node`,
      figure: perNode(reads),
      detail: [...new Set(reads.map(({ verb, resource }) => `${verb} ${resource}`))].join(', '),
    },
    {
      what: `OS, ${NODES} nodes: seconds the controller adds to each`,
      figure: `${((seconds * AT_ONCE) / NODES).toFixed(2)} s`,
      detail: `${seconds.toFixed(1)} s in all, ${AT_ONCE} at once; highest memory ${memoryOf(controller.pid).peakMiB.toFixed(0)} MiB`,
    },
  ];
}

async function untilDone(fleet: Fleet): Promise<void> {
  while (!isComplete(await fleet.getOS('all'))) await delay(500);
}

const isComplete = ({ status }: OS): boolean =>
  (status?.conditions ?? []).some(({ type, status: is }) => type === 'Complete' && is === 'True');

async function measureIdle({ auditFile }: World): Promise<Row[]> {
  say(`an idle minute with ${NODES} nodes`);
  const { length } = await callsOf(auditFile);
  await delay(IDLE_MS);
  const calls = (await callsOf(auditFile)).slice(length);
  const others = calls.filter(({ resource }) => resource !== 'leases');
  const watches = others.filter(({ verb }) => verb === 'watch');
  return [
    {
      what: `OS, ${NODES} nodes: controller's calls in an idle minute`,
      figure: String(others.length - watches.length),
      detail: `${others.filter(isWrite).length} write; besides: ${calls.length - others.length} for its Lease, ${watches.length} watches renewed (KubeOS: ${3 * 4 * NODES} reads for each OS)`,
    },
  ];
}

const callsOf = async (file: string): Promise<Call[]> =>
  (await readCalls(file)).filter(({ user }) => user === 'os-controller');
