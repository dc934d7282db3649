import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { type BuiltImage, buildProductImage } from '../../tools/image/build-image.ts';
import { makeTempDir, removeTempDir } from '../env/cluster-temp-dir.ts';
import { runProgram } from '../env/node/run-program.ts';

/** How a program is run in the image. */
export interface ContainerOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Neither root nor able to write anywhere, as the Deployment has it. */
  readonly isConfined?: boolean;
  /** The whole machine is seen below /host, as the DaemonSet has it. */
  readonly hasHost?: boolean;
}

/** What a program in the image ended with. */
export interface ContainerResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The container image as a file, as an OCI layout and as a root file system. */
export interface UnpackedImage {
  readonly image: BuiltImage;
  /** Folder with index.json and blobs. */
  readonly layout: string;
  /** Root of the file system that a container sees. */
  readonly root: string;
  /** Starts a program in it, with the environment that the image names. Needs root. */
  start(argv: readonly string[], options?: ContainerOptions): ChildProcess;
  /** Runs a program in it to its end. Needs root. */
  run(argv: readonly string[], options?: ContainerOptions): Promise<ContainerResult>;
  remove(): void;
}

/** Mounts what a container runtime mounts, and becomes the program. $1 root, $2 `confined`, $3 `host`. */
const CONTAINER = `set -e
root=$1 confined=$2 host=$3; shift 3
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
if [ "$host" = yes ]; then mount --rbind / "$root/host"; fi
if [ "$confined" = yes ]; then
  mount -o remount,bind,ro "$root"
  exec env -i "$@"
fi
exec env -i "$@"`;

const Bundle = z.object({
  process: z.object({ env: z.array(z.string()), user: z.object({ uid: z.number() }) }),
});

/** Builds the image, or takes it from the cache, and unpacks it. */
export async function unpackImage(): Promise<UnpackedImage> {
  const image = await buildProductImage();
  const dir = makeTempDir('image');
  const [layout, bundle] = [join(dir, 'layout'), join(dir, 'bundle')];
  await mkdir(layout);
  await runProgram('tar', '--extract', `--file=${image.path}`, `--directory=${layout}`);
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
  await runProgram(
    'umoci',
    'unpack',
    ...rootless,
    '--image',
    `${layout}:${image.reference.split(':').at(-1)}`,
    bundle,
  );
  const { process: settings } = Bundle.parse(JSON.parse(await readFile(join(bundle, 'config.json'), 'utf8')));
  const root = join(bundle, 'rootfs');
  const start = (argv: readonly string[], options: ContainerOptions = {}): ChildProcess => {
    const { environment = {}, isConfined = false, hasHost = false } = options;
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const user = isConfined ? ['--userspec=65532:65532', '--groups='] : [];
    const own = ['unshare', '--mount', '--propagation', 'private', '--', 'sh', '-c', CONTAINER, 'container'];
    const flags = [isConfined, hasHost].map(flag => (flag ? 'yes' : 'no'));
    const command = [...settings.env, ...variables, 'chroot', ...user, root, ...argv];
    return spawn('/usr/bin/env', [...own, root, ...flags, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  };
  return {
    ...{ image, layout, root, start },
    async run(argv, options) {
      const child = start(argv, options);
      if (!child.stdout || !child.stderr) throw new Error('the program has no output');
      const closed = once(child, 'close');
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
      const [code] = await closed;
      return { code, stdout, stderr };
    },
    remove: () => removeTempDir(dir),
  };
}
