import type { MachineNode } from '../machine-node.ts';
import { FIRST_VERSION } from '../versions.ts';
import type { World } from '../world.ts';
import type { CaseNodeOptions } from './case.ts';

/** The nodes of a campaign: a case gets the one of an earlier case if it is well, as a boot costs half a minute. */
export interface CampaignNodes {
  /** For one case; several may have theirs at the same time. */
  open(): CaseNodes;
  /** Switches off all that no case uses. */
  discardIdle(): Promise<void>;
}

/** The nodes of one case. */
export interface CaseNodes {
  take(options?: CaseNodeOptions): Promise<MachineNode>;
  /** Gives back what the case took. Nodes that a failed case used, and private ones, are switched off. */
  release(isWell: boolean): Promise<void>;
}

interface Known {
  readonly key: string;
  readonly node: MachineNode;
}

/** Makes the pool of a world. */
export function createNodes(world: World): CampaignNodes {
  let idle: Known[] = [];
  let count = 0;

  const make = async (options: CaseNodeOptions): Promise<MachineNode> => {
    count += 1;
    const name = `node-${count}`;
    const { isPrivate: _, firmware = 'uefi', system = { version: FIRST_VERSION }, labels, ...rest } = options;
    const node = await world.addNode({
      ...{ name, firmware, system, ...rest },
      labels: { 'upgrade.openeuler.org/node-selector': name, ...labels },
    });
    try {
      await node.untilReady();
      await node.untilAgentRuns();
    } catch (error) {
      throw new Error(`${String(error)}\nconsole of ${name}:\n${node.machine.console.text.slice(-3000)}`);
    }
    return node;
  };

  const open = (): CaseNodes => {
    const taken: (Known & { readonly isPrivate: boolean })[] = [];
    return {
      take: async (options = {}) => {
        const key = JSON.stringify(options);
        const isPrivate = options.isPrivate ?? false;
        const found = isPrivate ? undefined : idle.find(known => known.key === key);
        idle = idle.filter(known => known !== found);
        const node = found ? await resume(found.node) : await make(options);
        taken.push({ key, node, isPrivate });
        return node;
      },
      release: async isWell => {
        for (const { key, node, isPrivate } of taken) {
          if (isWell && !isPrivate && node.machine.isOn) {
            await node.machine.control('stop');
            idle.push({ key, node });
          } else await discard(world, node);
        }
      },
    };
  };
  return {
    open,
    discardIdle: async () => {
      const all = idle;
      idle = [];
      for (const { node } of all) await discard(world, node);
    },
  };
}

/** Lets a node go on that stood still, as one that idles takes a fifth of a processor. */
async function resume(node: MachineNode): Promise<MachineNode> {
  await node.machine.control('cont');
  // Its clock stood still too.
  await node.machine.run(`date -s @${Math.ceil(Date.now() / 1000)}`);
  await node.untilReady();
  await node.untilAgentRuns();
  return node;
}

async function discard(world: World, node: MachineNode): Promise<void> {
  await node.stop();
  await world.cluster.kubectl(['delete', 'node', node.name, '--ignore-not-found', '--wait=false']);
}
