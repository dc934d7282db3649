import type { MachineNode } from '../machine-node.ts';
import { applyOSUpgrade } from '../requests.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { CaseContext, CaseNodeOptions, MachineCase } from './case.ts';
import {
  environmentBytes,
  lookUntouched,
  retryAsTold,
  untilAgentSees,
  untilBegunAndTakenBack,
  untilRefused,
  untilSkipped,
} from './refusals.ts';
import { untilUpgraded } from './steps.ts';

/** Something that an upgrade must be refused for. */
export interface Obstacle {
  readonly id: string;
  readonly title: string;
  readonly reason: string;
  /** What has to stand in the message. */
  readonly tells: RegExp;
  readonly node: CaseNodeOptions | ((context: CaseContext) => Promise<CaseNodeOptions>);
  /** Puts it in the way, and resolves to what takes it away again. */
  put(node: MachineNode, context: CaseContext): Promise<() => Promise<unknown>>;
  /**
   * `plan`: the attempt fails, and is retried as its message says. `node`: the node cannot be used at all, so it gets no
   * plan, and gets one by itself when it can.
   */
  readonly refuses: 'plan' | 'node';
  /** Default false. True: not there until the image is being fetched. */
  readonly comesLater?: boolean;
  /** How far the retry is watched: to its end, or until it installs, which is quicker. */
  readonly retried: 'to its end' | 'until it installs';
}

/** The case that an obstacle makes: refused without a trace, and done by a retry when nothing is in the way any more. */
export const obstacleCase = (obstacle: Obstacle): MachineCase => ({
  id: obstacle.id,
  title: obstacle.title,
  expected:
    obstacle.refuses === 'plan'
      ? `Failed, ${obstacle.reason}; the old system runs on; a retry goes through once it is mended`
      : `skipped, ${obstacle.reason}; the old system runs on; it goes through by itself once it is mended`,
  run: async context => {
    const { world, note, step } = context;
    const node = await context.node(
      typeof obstacle.node === 'function' ? await obstacle.node(context) : obstacle.node,
    );
    const before = await lookUntouched(node);
    const version = nextVersion(before.osImage);
    const file = world.serve(await rawSystem({ version }));
    const apply = () => applyOSUpgrade(world, { nodeName: node.name, version, file });
    const { reason, tells, comesLater = false } = obstacle;
    const early = comesLater ? await apply() : undefined;
    await early?.until(['Downloading', 'Installing']);
    const takeAway = await obstacle.put(node, context);
    const refusal = { before, environment: await environmentBytes(node), reason, tells };
    if (obstacle.refuses === 'node') await untilAgentSees(world, node, reason);
    const request = early ?? (await apply());
    step('to be refused');
    if (obstacle.refuses === 'plan') {
      const status = await untilRefused(world, node, request, refusal);
      note(`${status.failureReason}: ${status.message}`);
      await takeAway();
      await retryAsTold(world, request, status);
    } else {
      note(`${reason}: ${await untilSkipped(world, node, request, refusal)}`);
      await takeAway();
    }
    step('retried');
    if (obstacle.retried === 'until it installs') return untilBegunAndTakenBack(node, request, before);
    await untilUpgraded(node, request, { before, osImage: osImageOf(version) });
    await request.remove();
  },
});
