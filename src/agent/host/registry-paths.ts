import type { AgentConfig } from '../config.ts';
import { hostPath } from './host-path.ts';

/** Where this process finds what the node knows of registries. None of it needs to be there. */
export interface RegistryPaths {
  /** Files in the form of `~/.docker/config.json`; an earlier one counts before a later one. */
  readonly authFiles: readonly string[];
  /** Folders such as containerd's `certs.d`, with a folder for each registry. */
  readonly configDirs: readonly string[];
}

type RegistryConfig = Pick<
  AgentConfig,
  'hostRoot' | 'registrySecretFile' | 'registryAuthFiles' | 'registryConfigDirs'
>;

/** The paths of a configuration as this process opens them. */
export const registryPaths = (config: RegistryConfig): RegistryPaths => ({
  // The one file that is not the host's: a Secret, mounted in the agent's own container.
  authFiles: [
    config.registrySecretFile,
    ...config.registryAuthFiles.map(path => hostPath(config.hostRoot, path)),
  ],
  configDirs: config.registryConfigDirs.map(path => hostPath(config.hostRoot, path)),
});
