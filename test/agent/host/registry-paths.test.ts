import { expect } from 'chai';
import { AgentConfig } from '../../../src/agent/config.ts';
import { registryPaths } from '../../../src/agent/host/registry-paths.ts';

describe('where the passwords of registries are looked for', () => {
  it('first in the Secret, which is in the container, then on the host', () => {
    expect(registryPaths(AgentConfig.parse({ hostRoot: '/host' }))).to.deep.equal({
      authFiles: [
        '/etc/node-agent/registry/.dockerconfigjson',
        '/host/root/.docker/config.json',
        '/host/.docker/config.json',
        '/host/var/lib/kubelet/config.json',
      ],
      configDirs: ['/host/etc/containerd/certs.d', '/host/etc/docker/certs.d'],
    });
  });

  it('where the settings say', () => {
    const config = AgentConfig.parse({
      hostRoot: '/host',
      registrySecretFile: '/run/secrets/registry.json',
      registryAuthFiles: ['/etc/a.json'],
      registryConfigDirs: [],
    });
    expect(registryPaths(config)).to.deep.equal({
      authFiles: ['/run/secrets/registry.json', '/host/etc/a.json'],
      configDirs: [],
    });
  });
});
