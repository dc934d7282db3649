import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../../tools/lib/paths.mjs';
import { type ImageServer, startImageServer } from '../env/image-server.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { putFile } from '../env/node/node-files.ts';
import { runProgram } from '../env/node/run-program.ts';

/** The fields of an `OS` that name what {@link installCertificates} puts onto a node. */
export const CERTIFICATES = { cacert: 'ca.crt', clientcert: 'client.crt', clientkey: 'client.key' } as const;

/** Makes the certificates of an image server and of its nodes in `dir`, as an administrator does. */
export async function makeCertificates(dir: string): Promise<void> {
  const command = [join(ROOT, 'src/ctl.ts'), 'certs', 'create', '--out', dir, '--server', '127.0.0.1'];
  await runProgram(process.execPath, ...command);
}

/** Serves over https with the certificates in `dir`. */
export async function startHttpsServer(
  dir: string,
  { mtls = false }: { readonly mtls?: boolean } = {},
): Promise<ImageServer> {
  const read = (name: string): Promise<string> => readFile(join(dir, name), 'utf8');
  const [cert, key] = [await read('server.crt'), await read('server.key')];
  return startImageServer({ tls: { cert, key, ...(mtls && { clientCa: await read('ca.crt') }) } });
}

/** Puts the authority and the client's certificate below `/etc/KubeOS/certs` of each node. */
export async function installCertificates(nodes: readonly EmulatedNode[], dir: string): Promise<void> {
  for (const name of Object.values(CERTIFICATES)) {
    const text = await readFile(join(dir, name), 'utf8');
    for (const { files } of nodes) await putFile(files, `/etc/KubeOS/certs/${name}`, text);
  }
}
