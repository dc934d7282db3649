import { readFileSync, writeFileSync } from 'node:fs';
import type { Credential } from './control-plane-certificates.ts';

/** What a kubeconfig file says: which server, and as whom. */
export interface KubeconfigContent {
  readonly serverUrl: string;
  readonly caFile: string;
  readonly user: Credential | { readonly token: string };
}

/** Writes a kubeconfig with everything in it (JSON, which is YAML too), readable by its owner alone. Returns `path`. */
export function writeKubeconfig(path: string, content: KubeconfigContent): string {
  const user =
    'token' in content.user
      ? { token: content.user.token }
      : {
          'client-certificate-data': base64(content.user.certificatePem),
          'client-key-data': base64(content.user.keyPem),
        };
  const cluster = {
    server: content.serverUrl,
    'certificate-authority-data': base64(readFileSync(content.caFile, 'utf8')),
  };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'test', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  };
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  return path;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
