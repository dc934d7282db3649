import { ok, strictEqual } from 'node:assert/strict';
import { eventually } from '../../env/wait.ts';
import { applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { FIRST_VERSION, nextVersion, osImageOf } from '../versions.ts';
import { startWorld, type World } from '../world.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { lookBefore, untilUpgraded } from './steps.ts';

const NAMESPACE = '--namespace=mono-system';
const ROLLOUT_SECONDS = 300;

/** The controller is installed from the agent's pod, and serves the one node that it runs on. */
export const AGENT_INSTALL: readonly MachineCase[] = [
  {
    id: 'agent/install-by-exec',
    title:
      'kubectl exec ds/node-agent -- ctl create controller | kubectl apply -f -, in a cluster of one node',
    expected: 'the controller leads, and survives the reboot of its only node: Completed',
    run: async context => {
      const world = await startWorld('install', { hasController: false });
      try {
        await installAndUpgrade(world, context);
      } finally {
        await world.stop();
      }
    },
  },
];

async function installAndUpgrade(world: World, { note, step }: CaseContext): Promise<void> {
  const { kubectl } = world.cluster;
  const node = await world.addNode({
    ...{ name: 'node-1', firmware: 'uefi', system: { version: FIRST_VERSION } },
  });
  await node.untilReady();
  await node.untilAgentRuns();
  step('installing the controller');
  const create = ['exec', '-i', '-n', 'mono-system', 'ds/node-agent', '--', 'ctl', 'create', 'controller'];
  const { stdout: stdin } = await kubectl(create);
  await kubectl(['apply', '-f', '-'], { stdin });
  const status = ['rollout', 'status', 'deployment/os-controller', `--timeout=${ROLLOUT_SECONDS}s`];
  await kubectl([...status, NAMESPACE]);
  const pod = await controllerPod(world);
  const before = await lookBefore(node);
  const version = nextVersion(before.view.osImage);
  step('upgrading the node of the controller');
  const request = await applyOSUpgrade(world, {
    ...{ nodeName: node.name, version },
    file: world.serve(await rawSystem({ version })),
  });
  await request.until(['Rebooting']);
  strictEqual((await controllerPod(world)).uid, pod.uid, 'the drain left the pod of the controller');
  await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
  await kubectl([...status, NAMESPACE]);
  // Where the reboot takes longer than its toleration, the node controller has replaced it.
  const { after, leader } = await eventually(
    async () => {
      const [after, leader] = [await controllerPod(world), await leaderOf(world)];
      return leader.includes(after.name) && { after, leader };
    },
    { timeoutMs: 120_000, everyMs: 1000, what: 'the pod of the controller leads' },
  );
  ok(after.uid !== pod.uid || after.restarts > pod.restarts, 'it was started by the new system');
  note(`${pod.name} led, ${before.view.osImage} → ${osImageOf(version)}; after the reboot ${leader} leads`);
}

async function leaderOf({ cluster }: World): Promise<string> {
  const holder = 'jsonpath={.items[*].spec.holderIdentity}';
  return (await cluster.kubectl(['get', 'lease', '-o', holder, NAMESPACE])).stdout;
}

interface ControllerPod {
  readonly name: string;
  readonly uid: string;
  readonly restarts: number;
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
    readonly status: { readonly containerStatuses?: readonly { readonly restartCount: number }[] };
  }[];
}

async function controllerPod({ api }: World): Promise<ControllerPod> {
  const path = '/api/v1/namespaces/mono-system/pods?labelSelector=app.kubernetes.io%2Fname%3Dos-controller';
  const { items } = await api.call<PodList>('GET', path);
  const [pod, ...others] = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  ok(pod && others.length === 0, `there is one pod of the controller, not ${items.length}`);
  const { name, uid } = pod.metadata;
  return { name, uid, restarts: pod.status.containerStatuses?.[0]?.restartCount ?? 0 };
}
