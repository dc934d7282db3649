import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { runProgram } from '../env/node/run-program.ts';
import { pushImage } from '../env/registry-push.ts';
import { withScratchFile } from './disk/scratch.ts';
import type { MachineNode } from './machine-node.ts';
import type { SystemFile } from './tree/system.ts';
import type { World } from './world.ts';

/** How a container image carries a system: as its own root file system, or as the file `/os.tar` in it. */
export type Payload = 'root' | 'os.tar';

/** A system in the world's registry, as a node names it. */
export interface PushedSystem {
  /** `10.0.2.2:23456/kubeos/os:1.35.2`. */
  readonly reference: string;
  readonly digest: string;
}

/** Pushes the tar of a system as a container image of one compressed layer. */
export async function pushSystem(
  world: World,
  { path }: SystemFile,
  { version, payload }: { readonly version: string; readonly payload: Payload },
): Promise<PushedSystem> {
  const tar = payload === 'root' ? await readFile(path) : await wrap(path);
  const [repository, tag] = ['kubeos/os', `${version}-${payload}`];
  const { digest } = await pushImage(world.registry, {
    ...{ repository, tag },
    platforms: [{ layers: [{ tar, compression: 'zstd' }] }],
  });
  return { reference: `${world.registryHost}/${repository}:${tag}`, digest };
}

/** A tar with the tar in it, as `os.tar`. */
const wrap = (path: string): Promise<Buffer> =>
  withScratchFile(async out => {
    const from = ['-C', dirname(path), `--transform=s,^${basename(path)}$,os.tar,`];
    await runProgram('tar', ...from, '-cf', out, basename(path));
    return readFile(out);
  });

/** Tells a running node, as its administrator would, that the world's registry speaks plain http. */
export async function trustRegistry({ registryHost }: World, { machine, name }: MachineNode): Promise<void> {
  const dir = `/etc/containerd/certs.d/${registryHost}`;
  const { code, output } = await machine.run(
    `mkdir -p ${dir} && echo 'server = "http://${registryHost}"' > ${dir}/hosts.toml`,
  );
  if (code !== 0) throw new Error(`${name} has no ${dir}: ${output}`);
}
