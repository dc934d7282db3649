import { ok } from 'node:assert/strict';
import type { MachineNode } from '../machine-node.ts';
import type { World } from '../world.ts';

/** The agent's container on a node, as the API server knows it. */
export interface AgentContainer {
  readonly podName: string;
  readonly restarts: number;
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
    readonly status: { readonly containerStatuses?: readonly { readonly restartCount: number }[] };
  }[];
}

/** Finds the agent's container of a node. */
export async function findAgent({ api }: World, node: MachineNode): Promise<AgentContainer | undefined> {
  const path = `/api/v1/namespaces/mono-system/pods?fieldSelector=spec.nodeName%3D${node.name}&labelSelector=app.kubernetes.io%2Fname%3Dnode-agent`;
  const { items } = await api.call<PodList>('GET', path);
  const pod = items.find(({ metadata }) => metadata.deletionTimestamp === undefined);
  const restarts = pod?.status.containerStatuses?.[0]?.restartCount;
  return pod && restarts !== undefined ? { podName: pod.metadata.name, restarts } : undefined;
}

/** Words of the agent's command line, and of no other's on the node. */
const AGENT = '[c]tl.* agent';

/** Ends the agent as the kernel does when memory runs out. Resolves when it is gone. */
export async function killAgent({ machine, name }: MachineNode): Promise<string> {
  const command = `pid=$(pgrep -o -f '${AGENT}') && kill -9 $pid && while [ -d /proc/$pid ]; do sleep 0.1; done && echo killed $pid`;
  const { output } = await machine.run(command);
  ok(/killed \d+/.test(output), `no agent was killed on ${name}: ${output}`);
  return output;
}

/**
 * Ends the agent the moment a file of its state folder holds `word`, if it is going to in the next minutes. The shell
 * polls without a pause: there are milliseconds.
 * @returns what resolves to the content of the file at that moment, or to nothing before it
 */
export async function killAgentOnceRecorded(
  { machine }: MachineNode,
  { file, word }: { readonly file: string; readonly word: string },
): Promise<() => Promise<string | undefined>> {
  const path = `/var/lib/node-agent/${file}`;
  const loop = `pid=$(pgrep -o -f '${AGENT}'); until { read -r t < ${path} || [ "$t" ]; } 2>/dev/null && [[ $t == *'${word}'* ]]; do :; done; kill -9 $pid; echo "killed $pid: $t" > /var/tmp/killed; sync`;
  await machine.run(`rm -f /var/tmp/killed; ( ${loop} ) > /dev/null 2>&1 & disown`);
  return async () => {
    const { code, output } = await machine.run('cat /var/tmp/killed');
    return code === 0 && output !== '' ? output : undefined;
  };
}
