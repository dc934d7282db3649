import { ok } from 'node:assert/strict';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import { type AppliedRequest, applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import { findAgent, killAgent, killAgentOnceRecorded } from './agent-pod.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { HELD_PHASES, type HeldPhase, type HoldPhase, type Setting } from './held-phases.ts';
import { lookBefore, untilUpgraded } from './steps.ts';

/** When the agent is killed, and how that moment is caught. */
interface Blow {
  readonly hold?: HoldPhase;
  /** Resolves when the agent was killed, to what was seen. Default: in the phase that is held. */
  strike?(at: Target): Promise<string>;
}

interface Target extends Setting {
  readonly request: AppliedRequest;
  readonly held: HeldPhase;
}

const BLOWS: Readonly<Record<string, Blow>> = {
  downloading: { hold: HELD_PHASES.downloading },
  installing: {
    strike: async ({ node, request }) => {
      await request.until(['Installing']);
      return killAgent(node);
    },
  },
  staged: { hold: HELD_PHASES.staged },
  draining: { hold: HELD_PHASES.draining },
  'rebooting-announced': {
    hold: HELD_PHASES.draining,
    strike: target => strikeOnceRecorded(target, '"armed":false'),
  },
  'rebooting-armed': {
    hold: HELD_PHASES.draining,
    strike: target => strikeOnceRecorded(target, '"armed":true'),
  },
  confirming: { hold: HELD_PHASES.confirming },
};

/** The agent's process is killed in every phase. */
export const AGENT_KILLED: readonly MachineCase[] = Object.entries(BLOWS).map(([when, blow]) => ({
  id: `agent/killed-in-${when}`,
  title: `kill -9 of the agent in ${when}`,
  expected: 'goes on, Completed',
  run: context => survive(context, when, blow),
}));

const NOT_HELD: HeldPhase = { reach: async () => undefined, release: async () => undefined };

async function survive({ node: take, world, note }: CaseContext, when: string, blow: Blow): Promise<void> {
  const node = await take({ firmware: 'uefi' });
  const before = await lookBefore(node);
  const version = nextVersion(before.view.osImage);
  const file = world.serve(await rawSystem({ version }));
  const setting = { world, node, path: file.path };
  const held = (await blow.hold?.(setting)) ?? NOT_HELD;
  const bootsBefore = node.machine.boots.length;
  const request = await applyOSUpgrade(world, { nodeName: node.name, version, file });
  const seen = await (blow.strike ?? strike)({ ...setting, request, held });
  const status = await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
  ok(status.attempt === 1, `it went on in its first attempt, not in number ${status.attempt}`);
  const reboots = node.machine.boots.length - bootsBefore;
  const agent = await findAgent(world, node);
  note(`${seen} (${when}); ${reboots} reboot(s), ${agent?.restarts} restarts of the container in all`);
  await request.remove();
}

async function strike({ node, request, held }: Target): Promise<string> {
  await held.reach(request);
  const killed = await killAgent(node);
  await held.release();
  return killed;
}

async function strikeOnceRecorded({ node, request, held }: Target, word: string): Promise<string> {
  await held.reach(request);
  const { machine } = node;
  const boots = machine.boots.length;
  const readResult = await killAgentOnceRecorded(node, { file: 'trial.json', word });
  // What comes after the record has to be written too, so there is time for the blow.
  await limitWrites(machine, 10);
  await held.release();
  const seen = await eventually(readResult, { timeoutMs: 300_000, what: 'the agent is killed' });
  await limitWrites(machine, 0);
  ok(seen.includes(word), `the agent was killed at another moment: ${seen}`);
  await machine.untilBoot(boots + 1, 300_000);
  return seen;
}

/** Has the disk do so many writes in a second; 0: as many as it can. */
async function limitWrites({ control }: MachineNode['machine'], perSecond: number): Promise<void> {
  const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0 };
  await control('block_set_io_throttle', { device: 'disk', ...none, iops_wr: perSecond });
}
