import { type Authority, createAuthority } from '../env/control-plane-certificates.ts';
import { type ImageServer, startImageServer } from '../env/image-server.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { putFile } from '../env/node/node-files.ts';

/** Names of the files that {@link installCertificates} puts onto a node. */
export const CERTIFICATES = { cacert: 'ca.pem', clientcert: 'client.pem', clientkey: 'client.key' } as const;

/** Serves over https with a certificate of an authority of ours. */
export function startHttpsServer(
  authority: Authority,
  { mtls = false }: { readonly mtls?: boolean } = {},
): Promise<ImageServer> {
  const { certificatePem: cert, keyPem: key } = authority.issue({
    commonName: 'images',
    ipAddresses: ['127.0.0.1'],
  });
  return startImageServer({ tls: { cert, key, ...(mtls && { clientCa: authority.certificatePem }) } });
}

/** What an administrator installs below `/etc/KubeOS/certs`: the authority, and a certificate of the node's own. */
export async function installCertificates(
  nodes: readonly EmulatedNode[],
  authority: Authority = createAuthority(),
): Promise<void> {
  const { certificatePem, keyPem } = authority.issue({ commonName: 'node' });
  const texts = { cacert: authority.certificatePem, clientcert: certificatePem, clientkey: keyPem };
  for (const { files } of nodes) {
    for (const field of ['cacert', 'clientcert', 'clientkey'] as const) {
      await putFile(files, `/etc/KubeOS/certs/${CERTIFICATES[field]}`, texts[field]);
    }
  }
}
