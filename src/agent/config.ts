import { z } from 'zod';
import { BootLoaderSettings } from './boot/boot-loader-settings.ts';

const HostPath = z.string().startsWith('/');
const Command = z.array(z.string().min(1)).min(1);

/** Where the Secret `node-agent-registry` is mounted in the agent's container. */
export const REGISTRY_SECRET_FILE = '/etc/node-agent/registry/.dockerconfigjson';

/**
 * The agent's configuration file. Every path is one of the host, save `registrySecretFile`; everything is optional.
 */
export const AgentConfig = z.strictObject({
  hostRoot: HostPath.default('/').describe("where the host's root is mounted in the agent's container"),
  stateDir: HostPath.default('/var/lib/node-agent').describe('a folder that both slots share'),
  certDir: HostPath.default('/etc/KubeOS/certs').describe('certificates that an image may name'),
  registrySecretFile: HostPath.default(REGISTRY_SECRET_FILE).describe(
    'passwords of registries, looked at first; a path in the container of the agent, not of the host',
  ),
  registryAuthFiles: z
    .array(HostPath)
    .default(['/root/.docker/config.json', '/.docker/config.json', '/var/lib/kubelet/config.json'])
    .describe(
      'passwords of registries on the node, in the form of ~/.docker/config.json, looked at in this order',
    ),
  registryConfigDirs: z
    .array(HostPath)
    .default(['/etc/containerd/certs.d', '/etc/docker/certs.d'])
    .describe('mirrors and authorities of registries, one folder for each host'),
  slots: z
    .record(z.string(), HostPath)
    .optional()
    .describe('block devices, or plain files for trying it out; found by partition label if absent'),
  versionField: z.enum(['VERSION_ID', 'PRETTY_NAME']).default('VERSION_ID'),
  bootLoader: BootLoaderSettings,
  rebootCommand: Command.optional().describe(
    "asks the host's init for a reboot; systemctl in the host if absent",
  ),
  healthCommand: Command.optional().describe('must exit 0 before a trial boot is kept'),
  healthTimeoutSeconds: z.int().min(1).default(60),
  rebootTimeoutSeconds: z
    .int()
    .min(1)
    .default(300)
    .describe('a forced reboot follows when init did not do it'),
  trialSeconds: z.int().min(10).optional().describe("overrides the plan's limit"),
  stallSeconds: z.int().min(1).optional().describe("overrides the plan's limit"),
});
export type AgentConfig = z.infer<typeof AgentConfig>;
