import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Cluster } from '../cluster.ts';
import { eventually } from '../wait.ts';
import { agentKubeconfig, createAgentPod, isAgentPod } from './agent-pod.ts';
import { AgentRunner } from './agent-runner.ts';
import { EmulatedNode } from './emulated-node.ts';
import { GRUB_CONFIG, GRUB_ENVIRONMENT } from './grub-config.ts';
import { connectNodeApi } from './node-api.ts';
import { type DiskParameters, installNode, SLOT_PATHS } from './node-files.ts';
import { openRebootSocket } from './reboot-socket.ts';
import { UBOOT_CONFIG } from './uboot-node.ts';

/** How a node is made. */
export interface NodeOptions extends DiskParameters {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly controlPlane?: boolean;
  /**
   * The agent starts as soon as its pod is bound to the node, and ends with it. `process`: that pod is made here;
   * `pod`: a DaemonSet makes it; `none`: no agent. Default `process`.
   */
  readonly agent?: 'process' | 'pod' | 'none';
  /** Replaces fields of the agent's configuration file. */
  readonly agentConfig?: Readonly<Record<string, unknown>>;
}

/** Installs a node, boots it and lets it join; resolves when it is Ready and, in mode `process`, its agent runs. */
export async function startNode(cluster: Cluster, options: NodeOptions): Promise<EmulatedNode> {
  const { name, agent: mode = 'process' } = options;
  const dir = join(cluster.dir, name);
  await mkdir(dir, { recursive: true });
  const files = await installNode(dir, options);
  const api = await connectNodeApi(await cluster.kubeletKubeconfig(name));
  const agent = new AgentRunner({ nodeName: name, dir, configFile: join(dir, 'agent.yaml') });
  const socket = await openRebootSocket(dir, () => void node.reboot());
  const node: EmulatedNode = new EmulatedNode({
    ...{ name, dir, files, api, agent, labels: options.labels ?? {} },
    async onPodRunning(pod) {
      const podName = pod.metadata.name;
      if (mode === 'none' || !isAgentPod(pod)) return;
      agent.setIdentity({ podName, kubeconfig: await agentKubeconfig(cluster, podName) });
    },
    onPodStopped: async pod => (isAgentPod(pod) ? agent.removeIdentity() : undefined),
    close: async () => void (await Promise.all([socket.close(), api.close()])),
    removeObjects: () => removeObjects(cluster, name),
  });
  await writeFile(join(dir, 'agent.yaml'), stringify(agentConfig(files.root, socket.command, options)));
  await node.reboot();
  await joined(cluster, node, { isControlPlane: options.controlPlane === true, mode });
  return node;
}

const agentConfig = (hostRoot: string, rebootCommand: readonly string[], options: NodeOptions): object => ({
  hostRoot,
  slots: SLOT_PATHS,
  bootLoader:
    options.bootLoader === 'u-boot'
      ? UBOOT_CONFIG
      : { type: 'grub', environment: GRUB_ENVIRONMENT, config: GRUB_CONFIG },
  rebootCommand,
  rebootTimeoutSeconds: 20,
  trialSeconds: 20,
  stallSeconds: 5,
  ...options.agentConfig,
});

async function joined(
  cluster: Cluster,
  { name, agent }: EmulatedNode,
  { isControlPlane, mode }: { isControlPlane: boolean; mode: string },
): Promise<void> {
  const timeout = { timeoutMs: 60_000 };
  await eventually(
    async () => (await cluster.kubectl(['get', 'node', name], { allowFailure: true })).code === 0,
    { ...timeout, what: `${name} is registered` },
  );
  if (isControlPlane) {
    // No node may give itself this label.
    await cluster.kubectl(['label', 'node', name, 'node-role.kubernetes.io/control-plane=']);
  }
  if (mode === 'process') {
    await createAgentPod(cluster, name);
    await eventually(() => agent.pid !== undefined, { ...timeout, what: `the agent of ${name} runs` });
  }
  await cluster.kubectl(['wait', '--for=condition=Ready', `node/${name}`, '--timeout=60s']);
}

async function removeObjects(cluster: Cluster, name: string): Promise<void> {
  const onNode = ['-A', '--field-selector', `spec.nodeName=${name}`];
  await cluster.kubectl(['delete', 'node', name, '--ignore-not-found']);
  await cluster.kubectl(['delete', 'pods', ...onNode, '--grace-period=0', '--force']);
}
