import { ok, strictEqual } from 'node:assert/strict';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import { type AppliedRequest, applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { World } from '../world.ts';
import { findAgent } from './agent-pod.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { HELD_PHASES, type HoldPhase } from './held-phases.ts';
import { lookBefore, untilUpgraded } from './steps.ts';

const DAEMON_SET = ['--namespace=mono-system', 'daemonset/node-agent'];
const CONTAINER = 'agent';

/** The DaemonSet gets another image in every phase that lasts: who began it is gone, and the new one goes on. */
export const AGENT_UPGRADED: readonly MachineCase[] = Object.entries(HELD_PHASES).map(([when, hold]) => ({
  id: `agent/upgraded-in-${when}`,
  isAlone: true,
  title: `the DaemonSet gets another image in ${when}`,
  expected: 'the new agent goes on, Completed',
  run: context => upgradeBoth(context, when, hold),
}));

async function upgradeBoth(context: CaseContext, when: string, hold: HoldPhase): Promise<void> {
  const { world, note } = context;
  const node = await context.node({ firmware: 'bios' });
  const before = await lookBefore(node);
  const version = nextVersion(before.view.osImage);
  const file = world.serve(await rawSystem({ version }));
  const image = await imageOf(world);
  const next = `${image}-next`;
  await nameOnNode(node, image, next);
  const held = await hold({ world, node, path: file.path });
  const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
  await held.reach(request);
  const phaseBefore = await phaseOf(request);
  const old = (await findAgent(world, node))?.podName;
  await setImage(world, next);
  await eventually(async () => isOther(await findAgent(world, node), old), {
    ...{ timeoutMs: 180_000, everyMs: 500 },
    what: `another agent than ${old} has started on ${node.name}`,
  });
  await node.untilAgentRuns();
  strictEqual(await phaseOf(request), phaseBefore, 'the new agent found the phase of the old one');
  await held.release();
  const { attempt } = await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
  strictEqual(attempt, 1, 'it went on in its first attempt');
  note(`${image} → ${next} in ${when}; ${before.view.osImage} → ${osImageOf(version)}`);
  await request.remove();
  // The nodes of other cases have it by this name alone.
  await setImage(world, image);
}

const phaseOf = async (request: AppliedRequest): Promise<string | undefined> =>
  (await request.progress())?.status?.phase;

const isOther = (found: { readonly podName: string } | undefined, old: string | undefined): boolean =>
  found !== undefined && found.podName !== old;

async function imageOf({ cluster }: World): Promise<string> {
  const path = '-o=jsonpath={.spec.template.spec.containers[0].image}';
  return (await cluster.kubectl(['get', ...DAEMON_SET, path])).stdout;
}

const setImage = ({ cluster }: World, image: string): Promise<unknown> =>
  cluster.kubectl(['set', 'image', ...DAEMON_SET, `${CONTAINER}=${image}`]);

/** The same content by another name, as a registry would have a release that was built anew. */
async function nameOnNode({ machine, name }: MachineNode, image: string, next: string): Promise<void> {
  const [from, to] = [image, next].map(tag => `docker.io/library/${tag}`);
  const { code, output } = await machine.run(`ctr -n k8s.io images tag --force ${from} ${to}`);
  ok(code === 0, `${name} has no image ${next}: ${output}`);
}
