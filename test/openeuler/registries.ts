import { readFile } from 'node:fs/promises';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { putFile } from '../env/node/node-files.ts';
import { runProgram } from '../env/node/run-program.ts';
import type { Registry } from '../env/registry.ts';
import { type ImageToPush, type PushedImage, pushImage } from '../env/registry-push.ts';
import { rootTar } from './images.ts';

/** Where the images of these tests lie in their registry. */
export const REPOSITORY = 'kubeos/system';

type Packing = NonNullable<ImageToPush['platforms'][number]['layers'][number]['compression']>;

/** Pushes an image as upstream makes them: nothing but `/os.tar`, the tar of the root file system. */
export async function pushOsTar(registry: Registry, version: string, dir: string): Promise<PushedImage> {
  const { path } = await rootTar(version);
  const layer = `${dir}/os-tar-${version}.tar`;
  // The member must be named os.tar, whatever the file is called.
  await runProgram('tar', '-cf', layer, '--transform', 's,.*,os.tar,', '-P', path);
  return push(registry, version, { layers: [{ tar: await readFile(layer), compression: 'gzip' }] });
}

/** Pushes an image whose own files are the system. */
export async function pushRootFiles(
  registry: Registry,
  version: string,
  options: {
    readonly tag?: string;
    readonly compression?: Packing;
    /** Makes an index with an image for machines of this architecture before ours. */
    readonly otherMachine?: string;
  } = {},
): Promise<PushedImage> {
  const { tag = version, compression = 'gzip', otherMachine } = options;
  const layers = [{ tar: await readFile((await rootTar(version)).path), compression }];
  if (otherMachine === undefined) return push(registry, tag, { layers });
  const decoy = [{ tar: await readFile((await rootTar('9.9.9')).path) }];
  return push(registry, tag, { architecture: otherMachine, layers: decoy }, { layers });
}

const push = (
  registry: Registry,
  tag: string,
  ...platforms: ImageToPush['platforms']
): Promise<PushedImage> => pushImage(registry, { repository: REPOSITORY, tag, platforms });

/** What an administrator tells the nodes of registries: authorities as containerd has them, and docker's passwords. */
export async function trustRegistries(
  nodes: readonly EmulatedNode[],
  ...registries: readonly Registry[]
): Promise<void> {
  const auths = registries.map(({ dockerConfig }) => JSON.parse(dockerConfig).auths);
  const dockerConfig = JSON.stringify({ auths: Object.assign({}, ...auths) });
  for (const { files } of nodes) {
    await putFile(files, '/root/.docker/config.json', dockerConfig);
    for (const { host, url, authority } of registries) {
      if (authority === undefined) continue;
      const folder = `/etc/containerd/certs.d/${host}`;
      await putFile(files, `${folder}/ca.crt`, authority.certificatePem);
      await putFile(files, `${folder}/hosts.toml`, `server = "${url}"\nca = "${folder}/ca.crt"\n`);
    }
  }
}
