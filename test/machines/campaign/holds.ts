import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import { UNHEALTHY_FILE, type World } from '../world.ts';

/** Something that keeps a request in one phase until it is let go. */
export interface Hold {
  release(): Promise<void>;
}

/** A pod that its PodDisruptionBudget protects keeps the node in `Draining`. */
export async function holdDrain(world: World, { name: nodeName }: MachineNode): Promise<Hold> {
  const name = `held-on-${nodeName}`;
  const labels = { app: name };
  const container = { name: 'sleeps', image: 'localhost/pause:1', imagePullPolicy: 'Never' };
  const objects = [
    {
      ...{ apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name } },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            nodeSelector: { 'kubernetes.io/hostname': nodeName },
            terminationGracePeriodSeconds: 1,
            containers: [container],
          },
        },
      },
    },
    {
      ...{ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name } },
      spec: { minAvailable: 1, selector: { matchLabels: labels } },
    },
  ];
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  await world.cluster.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(list) });
  const budget = ['get', 'pdb', name, '-o', 'jsonpath={.status.currentHealthy}'];
  await eventually(async () => (await world.cluster.kubectl(budget)).stdout === '1', {
    ...{ timeoutMs: 120_000, everyMs: 500 },
    what: `the pod that holds the drain of ${nodeName} runs`,
  });
  return {
    release: async () => {
      await world.cluster.kubectl(['delete', 'pdb,replicaset', name, '--wait=false']);
    },
  };
}

/** A trial stays in `Confirming`, as its health command fails. Call it before the reboot. */
export async function holdConfirmation({ machine }: MachineNode): Promise<Hold> {
  await machine.run(`touch /${UNHEALTHY_FILE}`);
  return {
    release: async () => {
      await machine.run(`rm /${UNHEALTHY_FILE}`);
    },
  };
}
