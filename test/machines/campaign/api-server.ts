import { ok, strictEqual } from 'node:assert/strict';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import { type AppliedRequest, applyOSUpgrade } from '../requests.ts';
import { rawSystem, type SystemSpec } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import { TRIAL_SECONDS, type World } from '../world.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { type Before, lookBefore, untilRolledBack, untilUpgraded } from './steps.ts';

/** In a system without this file the kubelet makes no node Ready, while pods on the host's network run. */
const CNI_PATH = 'etc/cni/net.d/10-bridge.conflist';
/** The agent's own limit, the guard's after it, and the boots around them. */
const AWAY_MS = (2 * TRIAL_SECONDS + 240) * 1000;

/** The API server is away while a machine reboots: a cluster of one node, seen from the node. */
export const API_SERVER: readonly MachineCase[] = [
  {
    id: 'upgrade/api-server-stopped',
    isAlone: true,
    title: 'the API server is stopped during the reboot, and comes back during the trial',
    expected: 'nothing is decided without it, then Completed',
    run: async context => {
      const { node, request, before, version } = await begin(context);
      const { world, note } = context;
      await whileStopped(world, async () => {
        await node.machine.console.untilSeen(/login:/, { from: node.machine.boots.at(-1)?.mark ?? 0 });
        const { output } = await node.machine.run('. /etc/os-release; echo "$PRETTY_NAME"');
        strictEqual(output, osImageOf(version), 'the trial runs');
      });
      await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
      note(`${before.view.osImage} → ${osImageOf(version)}`);
      await request.remove();
    },
  },
  {
    id: 'upgrade/api-server-stays-away',
    isAlone: true,
    title: 'the API server stays away for longer than the trial: no kubelet starts the agent',
    expected: 'old slot by itself, RolledBack is told when the API server is back',
    run: async context => {
      const { node, request, before } = await begin(context);
      const { world, note } = context;
      await whileStopped(world, () => untilBackInOldSystem(node, before));
      const reason = /^TrialNotConfirmed$/;
      const { failureReason, message } = await untilRolledBack(node, request, { before, reason });
      note(`${failureReason}: ${message}`);
      await request.remove();
    },
  },
  {
    id: 'upgrade/api-server-lost-in-trial',
    isAlone: true,
    title: 'the API server is lost in the middle of a trial, and stays away',
    expected: 'old slot by the agent itself, RolledBack is told when the API server is back',
    run: async context => {
      const { node, request, before } = await begin(context, { files: { [CNI_PATH]: null } });
      const { world, note } = context;
      await request.until(['Confirming']);
      await whileStopped(world, () => untilBackInOldSystem(node, before));
      const { failureReason, message } = await untilRolledBack(node, request, {
        before,
        reason: /^TrialNotReady$/,
      });
      note(`${failureReason}: ${message}`);
      await request.remove();
    },
  },
];

interface Begun {
  readonly node: MachineNode;
  readonly before: Before;
  readonly version: string;
  readonly request: AppliedRequest;
}

/** Asks for an upgrade, and resolves when the machine has reset itself into the trial. */
async function begin(context: CaseContext, system?: Omit<SystemSpec, 'version'>): Promise<Begun> {
  const { world } = context;
  const node = await context.node({ firmware: 'uefi' });
  const before = await lookBefore(node);
  const version = nextVersion(before.view.osImage);
  const file = world.serve(await rawSystem({ version, ...system }));
  const boots = node.machine.boots.length;
  const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
  await request.until(['Rebooting']);
  await node.machine.untilBoot(boots + 1);
  return { node, before, version, request };
}

async function whileStopped({ cluster }: World, act: () => Promise<void>): Promise<void> {
  await cluster.stopApiServer();
  try {
    await act();
  } finally {
    await cluster.startApiServer();
  }
}

/** Waits until the machine has reset itself once more and runs what it ran before. */
async function untilBackInOldSystem({ machine, name }: MachineNode, { view }: Before): Promise<void> {
  const boots = machine.boots.length;
  await machine.untilBoot(boots + 1, AWAY_MS);
  await eventually(
    async () => (await machine.run('. /etc/os-release; echo "$PRETTY_NAME"')).output === view.osImage,
    { timeoutMs: 120_000, everyMs: 1000, what: `${name} runs ${view.osImage} again` },
  );
  ok(machine.isOn);
}
