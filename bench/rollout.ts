import { setTimeout as delay } from 'node:timers/promises';
import { type Call, isWrite, readCalls } from '../test/env/audit.ts';
import { readAgentOptions } from './agent-options.ts';
import { type Fleet, rollBackAll, startFleet, upgradeAll, upgradeAllByOS } from './fleet.ts';
import { median, memoryOf } from './measure.ts';
import { type Row, say } from './table.ts';

const SETTLE_MS = 15_000;
const IDLE_MS = 60_000;
/** What KubeOS's operator adds to each node by waiting for its next look. */
const KUBEOS_SECONDS = 33;

/** What the two programs cost when nothing happens, and what a rollout costs besides the installation. */
export async function measureFleet(stack: AsyncDisposableStack): Promise<Row[]> {
  const fleet = await startFleet(stack);
  say(`letting things settle for ${SETTLE_MS / 1000} s`);
  await delay(SETTLE_MS);
  const idle = await measureIdle(fleet);
  say('upgrading all nodes, one after the other');
  const before = (await readCalls(fleet.auditFile)).length;
  const { agentPeakMiB } = await upgradeAll(fleet);
  const calls = (await readCalls(fleet.auditFile)).slice(before);
  const peak: Row = {
    what: 'agent, highest memory while installing',
    figure: `${agentPeakMiB.toFixed(0)} MiB`,
    detail: `limit of the DaemonSet: ${readAgentOptions().memoryLimit}B`,
  };
  const rows = [...idle, peak, ...writeRows(calls, fleet.nodes.length), ...delayRows(calls)];
  return [...rows, ...(await measureOS(fleet))];
}

/** The same image by the other API, all nodes at once. */
async function measureOS(fleet: Fleet): Promise<Row[]> {
  say('rolling all nodes back, then upgrading them, both by an OS');
  await rollBackAll(fleet);
  const before = (await readCalls(fleet.auditFile)).length;
  await upgradeAllByOS(fleet);
  await delay(SETTLE_MS);
  const calls = (await readCalls(fleet.auditFile)).slice(before);
  return ['os-controller', 'node-agent'].map(user => {
    const own = ofUser(calls, user).filter(({ verb }) => verb !== 'watch');
    const perNode = (some: readonly Call[]): string => (some.length / fleet.nodes.length).toFixed(1);
    const events = own.filter(({ resource }) => resource === 'events');
    const reads = own.filter(call => !isWrite(call));
    return {
      what: `OS: ${user}, writes and reads for each node`,
      figure: `${perNode(own.filter(call => isWrite(call) && !events.includes(call)))} + ${perNode(reads)}`,
      detail: `Events ${perNode(events)} more; reads: ${kindsOf(reads)}`,
    };
  });
}

const kindsOf = (calls: readonly Call[]): string =>
  [...Map.groupBy(calls, ({ verb, resource }) => `${verb} ${resource}`)]
    .map(([kind, some]) => `${some.length} ${kind}`)
    .join(', ');

async function measureIdle({ controller, nodes, auditFile }: Fleet): Promise<Row[]> {
  say('an idle minute');
  const before = (await readCalls(auditFile)).length;
  await delay(IDLE_MS);
  const calls = (await readCalls(auditFile)).slice(before);
  const agents = nodes.map(({ agent }) => memoryOf(agent.pid ?? 0).nowMiB);
  const [leases, others] = [ofUser(calls, 'os-controller', 'leases'), ofUser(calls, 'os-controller')];
  const perAgent = ofUser(calls, 'node-agent').length / nodes.length;
  return [
    {
      what: 'controller, idle memory',
      figure: `${memoryOf(controller.pid).nowMiB.toFixed(0)} MiB`,
      detail: 'run from its TypeScript sources',
    },
    { what: 'agent, idle memory', figure: `${median(agents).toFixed(0)} MiB`, detail: 'likewise' },
    {
      what: 'controller, API calls in an idle minute',
      figure: String(others.length),
      detail: `${others.filter(isWrite).length} of them write; ${leases.length} more for its Lease`,
    },
    {
      what: 'agent, API calls in an idle minute',
      figure: perAgent.toFixed(1),
      detail: 'watches that are renewed included',
    },
  ];
}

const ofUser = (calls: readonly Call[], user: string, resource?: 'leases'): Call[] =>
  calls.filter(call => call.user === user && (call.resource === 'leases') === (resource === 'leases'));

function writeRows(calls: readonly Call[], nodes: number): Row[] {
  const writes = calls.filter(isWrite);
  const count = (user: string, isEvent: boolean): string =>
    (
      writes.filter(call => call.user === user && (call.resource === 'events') === isEvent).length / nodes
    ).toFixed(1);
  const all = writes.filter(({ resource }) => resource !== 'events').length / nodes;
  return [
    {
      what: 'API writes for each upgraded node',
      figure: all.toFixed(1),
      detail: `controller ${count('os-controller', false)}, agent ${count('node-agent', false)}`,
    },
    {
      what: 'Events for each upgraded node',
      figure: (writes.length / nodes - all).toFixed(1),
      detail: `controller ${count('os-controller', true)}, agent ${count('node-agent', true)}`,
    },
  ];
}

/** How long nodes waited for the controller: for the gate, and for the next plan after one was done. */
function delayRows(calls: readonly Call[]): Row[] {
  const agent = (phase: string): Call[] =>
    calls.filter(({ resource, body }) => resource === 'osupgradeprogresses/status' && saysPhase(body, phase));
  const gates = calls.filter(({ user, resource, body }) => {
    const isGate = user === 'os-controller' && resource === 'osupgradeprogresses';
    return isGate && /"gate":\{[^}]*"state":"Open"/.test(body);
  });
  const plans = calls.filter(({ verb, resource }) => verb === 'create' && resource === 'osupgradeprogresses');
  const gate = waits(firstOfEach(agent('Staged')), gates);
  const next = waits(firstOfEach(agent('Completed')), plans);
  const seconds = (median(gate) + median(next)) / 1000;
  return [
    {
      what: `seconds added to each node (KubeOS: ${KUBEOS_SECONDS})`,
      figure: `${seconds.toFixed(2)} s`,
      detail: `${(median(gate) / 1000).toFixed(2)} s to the gate, ${(median(next) / 1000).toFixed(2)} s to the next plan`,
    },
  ];
}

const saysPhase = (body: string, phase: string): boolean =>
  body.includes(`"phase":"${phase}","`) || body.includes(`"phase":"${phase}"}`);

/** Of several writes by the same agent, the first: later ones repeat the phase in its history. */
const firstOfEach = (calls: readonly Call[]): Call[] => [
  ...new Map(calls.toReversed().map(call => [call.node, call])).values(),
];

/** From each cause to the first effect after it; a cause without one, such as the last node's end, is left out. */
const waits = (causes: readonly Call[], effects: readonly Call[]): number[] =>
  causes.flatMap(({ endMs }) => {
    const effect = effects.find(call => call.endMs >= endMs);
    return effect === undefined ? [] : [effect.endMs - endMs];
  });
