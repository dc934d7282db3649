import { ok } from 'node:assert/strict';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import { type AppliedRequest, applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { World } from '../world.ts';
import { findAgent, killAgent, killAgentOnceRecorded } from './agent-pod.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { type Hold, holdConfirmation, holdDrain } from './holds.ts';
import { lookBefore, untilUpgraded } from './steps.ts';

/** Slow enough to be in the middle of it. */
const SLOW = { kind: 'slow', bytesPerSecond: 4 * 2 ** 20 } as const;

/** What a case does to the agent, and when. */
interface Blow {
  /** Before the request is made. */
  prepare?(world: World, node: MachineNode): Promise<Hold>;
  /** Resolves when the agent was killed, to what was seen. */
  strike(at: Target): Promise<string>;
}

interface Target {
  readonly world: World;
  readonly node: MachineNode;
  readonly request: AppliedRequest;
  /** Path of the image on the server. */
  readonly path: string;
  readonly hold: Hold;
}

const BLOWS: Readonly<Record<string, Blow>> = {
  downloading: {
    strike: async ({ world, node, request, path }) => {
      world.server.setFaults(path, SLOW);
      await request.until(['Downloading']);
      await untilBytes(world, path);
      const killed = await killAgent(node);
      world.server.setFaults(path);
      return killed;
    },
  },
  installing: {
    strike: async ({ node, request }) => {
      await request.until(['Installing']);
      return killAgent(node);
    },
  },
  staged: {
    strike: async ({ world, node, request }) => {
      await request.until(['Downloading']);
      await setPaused(world, request, true);
      await request.until(['Staged']);
      const killed = await killAgent(node);
      await setPaused(world, request, false);
      return killed;
    },
  },
  draining: {
    prepare: holdDrain,
    strike: async ({ node, request, hold }) => {
      await request.until(['Draining']);
      const killed = await killAgent(node);
      await hold.release();
      return killed;
    },
  },
  'rebooting-announced': {
    prepare: holdDrain,
    strike: target => strikeOnceRecorded(target, '"armed":false'),
  },
  'rebooting-armed': {
    prepare: holdDrain,
    strike: target => strikeOnceRecorded(target, '"armed":true'),
  },
  confirming: {
    prepare: (_, node) => holdConfirmation(node),
    strike: async ({ node, request, hold }) => {
      await request.until(['Confirming']);
      const killed = await killAgent(node);
      await hold.release();
      return killed;
    },
  },
};

/** The agent's process is killed in every phase. */
export const AGENT_KILLED: readonly MachineCase[] = Object.entries(BLOWS).map(([when, blow]) => ({
  id: `agent/killed-in-${when}`,
  title: `kill -9 of the agent in ${when}`,
  expected: 'goes on, Completed',
  run: context => survive(context, when, blow),
}));

async function survive({ node: take, world, note }: CaseContext, when: string, blow: Blow): Promise<void> {
  const node = await take({ firmware: 'uefi' });
  const before = await lookBefore(node);
  const version = nextVersion(before.view.osImage);
  const hold = (await blow.prepare?.(world, node)) ?? { release: async () => undefined };
  const file = world.serve(await rawSystem({ version }));
  const bootsBefore = node.machine.boots.length;
  const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
  const seen = await blow.strike({ world, node, request, path: file.path, hold });
  const status = await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
  ok(status.attempt === 1, `it went on in its first attempt, not in number ${status.attempt}`);
  const reboots = node.machine.boots.length - bootsBefore;
  const agent = await findAgent(world, node);
  note(`${seen} (${when}); ${reboots} reboot(s), ${agent?.restarts} restarts of the container in all`);
  await request.remove();
}

async function strikeOnceRecorded({ node, request, hold }: Target, word: string): Promise<string> {
  await request.until(['Draining']);
  const boots = node.machine.boots.length;
  const readResult = await killAgentOnceRecorded(node, { file: 'trial.json', word });
  await hold.release();
  await node.machine.untilBoot(boots + 1, 300_000);
  const seen = await readResult();
  ok(seen.includes(word), `the agent was not killed in time: ${seen}`);
  return seen;
}

async function untilBytes({ server }: World, path: string): Promise<void> {
  await eventually(() => server.bytesSent(path) > 8 * 2 ** 20, {
    ...{ timeoutMs: 120_000, what: `8 MiB of ${path} were sent` },
  });
}

async function setPaused({ cluster }: World, { name }: AppliedRequest, paused: boolean): Promise<void> {
  const patch = JSON.stringify({ spec: { paused } });
  await cluster.kubectl(['patch', 'osupgrade', name, '--type=merge', '-p', patch]);
}
