import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import type { AppliedRequest } from '../requests.ts';
import type { World } from '../world.ts';
import { type Hold, holdConfirmation, holdDrain } from './holds.ts';

/** What a phase is held at. */
export interface Setting {
  readonly world: World;
  readonly node: MachineNode;
  /** Path of the wanted system on the image server. */
  readonly path: string;
}

/** A phase that a plan does not leave before it is released. */
export interface HeldPhase extends Hold {
  /** Resolves when the request is in the phase. */
  reach(request: AppliedRequest): Promise<void>;
}

/** Prepares that a plan stays in a phase. Called before the request is made. */
export type HoldPhase = (setting: Setting) => Promise<HeldPhase>;

/** Slow enough for another agent to be started meanwhile. */
const SLOW = { kind: 'slow', bytesPerSecond: 2 * 2 ** 20 } as const;
/** Some way into the image. */
const BEGUN_BYTES = 8 * 2 ** 20;

/** The phases that can be held, by the names that cases have for them. */
export const HELD_PHASES = {
  downloading: async ({ world: { server }, path }) => {
    server.setFaults(path, SLOW);
    return {
      reach: async request => {
        await request.until(['Downloading']);
        await eventually(() => server.bytesSent(path) > BEGUN_BYTES, {
          ...{ timeoutMs: 120_000, what: `${BEGUN_BYTES} bytes of ${path} were sent` },
        });
      },
      release: async () => server.setFaults(path),
    };
  },
  staged: async ({ world }) => {
    let paused: AppliedRequest | undefined;
    return {
      reach: async request => {
        await request.until(['Downloading']);
        await setPaused(world, request, true);
        paused = request;
        await request.until(['Staged']);
      },
      release: async () => {
        if (paused) await setPaused(world, paused, false);
      },
    };
  },
  draining: async ({ world, node }) => heldIn('Draining', await holdDrain(world, node)),
  confirming: async ({ node }) => heldIn('Confirming', await holdConfirmation(node)),
} satisfies Readonly<Record<string, HoldPhase>>;

const heldIn = (phase: string, { release }: Hold): HeldPhase => ({
  reach: async request => {
    await request.until([phase]);
  },
  release,
});

async function setPaused({ cluster }: World, { name }: AppliedRequest, paused: boolean): Promise<void> {
  const patch = JSON.stringify({ spec: { paused } });
  await cluster.kubectl(['patch', 'osupgrade', name, '--type=merge', '-p', patch]);
}
