import { createAuthority } from '../../env/control-plane-certificates.ts';
import { startImageServer } from '../../env/image-server.ts';
import type { MachineNode } from '../machine-node.ts';
import type { SystemFile } from '../tree/system.ts';

/** A system on a server that asks for a certificate, and the fields of an `OS` that fetch it. */
export interface MutualTlsOffer {
  readonly url: string;
  /** Hex digits. */
  readonly checksum: string;
  readonly certificates: { readonly cacert: string; readonly clientcert: string; readonly clientkey: string };
}

const HOST = '10.0.2.2';

/** Serves a system over mutual TLS, until this process ends, and puts the node's certificates where KubeOS has them. */
export async function serveMutualTls({ machine }: MachineNode, file: SystemFile): Promise<MutualTlsOffer> {
  const authority = createAuthority();
  const server = authority.issue({ commonName: 'images', ipAddresses: [HOST, '127.0.0.1'] });
  const client = authority.issue({ commonName: 'node' });
  const { certificatePem: clientCa } = authority;
  const { url } = await startImageServer({
    files: { '/system.zst': file.zstPath },
    tls: { cert: server.certificatePem, key: server.keyPem, clientCa },
  });
  const files = { 'ca.crt': clientCa, 'client.crt': client.certificatePem, 'client.key': client.keyPem };
  for (const [name, text] of Object.entries(files)) {
    const path = `/etc/KubeOS/certs/${name}`;
    const { code, output } = await machine.run(
      `mkdir -p /etc/KubeOS/certs && echo ${Buffer.from(text).toString('base64')} | base64 -d > ${path}`,
    );
    if (code !== 0) throw new Error(`${path} cannot be written: ${output}`);
  }
  return {
    url: `${url.replace('127.0.0.1', HOST)}/system.zst`,
    checksum: file.zstChecksum.replace('sha256:', ''),
    certificates: { cacert: 'ca.crt', clientcert: 'client.crt', clientkey: 'client.key' },
  };
}
