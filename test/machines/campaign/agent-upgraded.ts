import { ok } from 'node:assert/strict';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import { applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { World } from '../world.ts';
import { findAgent } from './agent-pod.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { holdConfirmation } from './holds.ts';
import { lookBefore, untilUpgraded } from './steps.ts';

const DAEMON_SET = ['--namespace=mono-system', 'daemonset/node-agent'];
const CONTAINER = 'agent';
const SLOW = { kind: 'slow', bytesPerSecond: 2 * 2 ** 20 } as const;

/** The DaemonSet gets another image in the middle of an upgrade. */
export const AGENT_UPGRADED: readonly MachineCase[] = [
  {
    id: 'agent/upgraded-in-downloading',
    isAlone: true,
    title: 'the DaemonSet gets another image while the system is downloaded',
    expected: 'the new agent goes on, Completed',
    run: context =>
      upgradeBoth(context, {
        phase: 'Downloading',
        begin: ({ world, path }) => world.server.setFaults(path, SLOW),
        end: async ({ world, path }) => world.server.setFaults(path),
      }),
  },
  {
    id: 'agent/upgraded-in-confirming',
    isAlone: true,
    title: 'the DaemonSet gets another image during the trial',
    expected: 'the new agent confirms, Completed',
    run: async context => {
      const node = await context.node({ firmware: 'bios' });
      const hold = await holdConfirmation(node);
      await upgradeBoth(context, {
        ...{ node, phase: 'Confirming' },
        end: () => hold.release(),
      });
    },
  },
];

interface Setting {
  readonly world: World;
  /** Path of the system on the image server. */
  readonly path: string;
}

interface Moment {
  readonly node?: MachineNode;
  readonly phase: 'Downloading' | 'Confirming';
  begin?(setting: Setting): void;
  /** Lets the phase end, once the new agent runs. */
  end(setting: Setting): Promise<void>;
}

async function upgradeBoth(context: CaseContext, moment: Moment): Promise<void> {
  const { world, note } = context;
  const node = moment.node ?? (await context.node({ firmware: 'uefi' }));
  const before = await lookBefore(node);
  const version = nextVersion(before.view.osImage);
  const file = world.serve(await rawSystem({ version }));
  const setting = { world, path: file.path };
  const image = await imageOf(world);
  moment.begin?.(setting);
  const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
  await request.until([moment.phase]);
  const old = (await findAgent(world, node))?.podName;
  const next = `${image}-next`;
  await nameOnNode(node, image, next);
  await setImage(world, next);
  await eventually(async () => isOther(await findAgent(world, node), old), {
    ...{ timeoutMs: 180_000, everyMs: 500 },
    what: `another agent than ${old} has started on ${node.name}`,
  });
  await node.untilAgentRuns();
  const { phase } = (await request.progress())?.status ?? {};
  ok(phase === moment.phase, `the new agent found ${moment.phase}, not ${phase}`);
  await moment.end(setting);
  const { attempt } = await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
  ok(attempt === 1, `it went on in its first attempt, not in number ${attempt}`);
  note(`${image} → ${next} in ${moment.phase}; ${before.view.osImage} → ${osImageOf(version)}`);
  await request.remove();
  // The nodes of other cases have it by this name alone.
  await setImage(world, image);
}

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
