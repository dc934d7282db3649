import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram, TOOL_PATH } from '../../env/node/run-program.ts';
import { eventually } from '../../env/wait.ts';
import { cached } from '../cache.ts';
import { systemTree } from './system-tree.ts';

const RECIPE = 2;

/** An image for the nodes' container runtime: an OCI layout as a tar, and what it is called. */
export interface LoadedImage {
  readonly path: string;
  /** What changes when the image changes. */
  readonly digest: string;
}

/**
 * The tree of PERSIST, which both slots share: `/var` with the container images in it, and the upper folder of `/etc`.
 * The images are unpacked here, as it would take long on an emulated machine. Needs root.
 */
export async function persistTree(images: readonly LoadedImage[]): Promise<string> {
  const base = await systemTree();
  const inputs = [RECIPE, base, images.map(image => image.digest)];
  const dir = await cached('persist', inputs, async work => {
    const tree = join(work, 'tree');
    for (const folder of ['etc/kubernetes', 'etcwork', 'opt', 'optwork'])
      await mkdir(join(tree, folder), { recursive: true });
    await runProgram('cp', '-a', `${base}/var`, join(tree, 'var'));
    await importImages(join(tree, 'var/lib/containerd'), [await pauseImage(base), ...images]);
  });
  return join(dir, 'tree');
}

/** What keeps a pod's namespaces open: busybox, asleep. */
export async function pauseImage(base: string): Promise<LoadedImage> {
  const dir = await cached('pause', [RECIPE, base], async work => {
    const layout = join(work, 'layout');
    const umoci = (...args: string[]): Promise<string> => runProgram('umoci', ...args);
    await umoci('init', '--layout', layout);
    await umoci('new', '--image', `${layout}:1`);
    await umoci('insert', '--image', `${layout}:1`, join(base, 'bin/busybox'), '/busybox');
    const command = ['/busybox', 'sleep', '2147483647'].flatMap(word => ['--config.entrypoint', word]);
    await umoci('config', '--image', `${layout}:1`, ...command);
    await nameImage(join(layout, 'index.json'), 'localhost/pause:1');
    await runProgram('tar', '-C', layout, '-cf', join(work, 'image.tar'), '.');
  });
  return { path: join(dir, 'image.tar'), digest: dir };
}

async function nameImage(indexPath: string, name: string): Promise<void> {
  const index = JSON.parse(await readFile(indexPath, 'utf8'));
  for (const manifest of index.manifests)
    manifest.annotations = { ...manifest.annotations, 'io.containerd.image.name': name };
  await writeFile(indexPath, JSON.stringify(index));
}

/** Starts a containerd whose data lie in `root`, in a mount namespace of its own, and ends it when all is in. */
async function importImages(root: string, images: readonly LoadedImage[]): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'twinslot-containerd-'));
  const [config, socket] = [join(scratch, 'config.toml'), join(scratch, 'containerd.sock')];
  const plugins = ['cri', 'aufs', 'btrfs', 'zfs', 'devmapper'].map(name =>
    name === 'cri' ? '"io.containerd.grpc.v1.cri"' : `"io.containerd.snapshotter.v1.${name}"`,
  );
  await writeFile(config, `version = 2\ndisabled_plugins = [${plugins.join(', ')}]\n`);
  const flags = [`--config=${config}`, `--root=${root}`, `--state=${scratch}/state`, `--address=${socket}`];
  const daemon = spawn('unshare', ['--mount', 'containerd', ...flags], {
    env: { ...process.env, PATH: TOOL_PATH },
    stdio: 'ignore',
  });
  const ended = once(daemon, 'exit');
  try {
    const ctr = (...args: string[]): Promise<string> =>
      runProgram('ctr', `--address=${socket}`, '--namespace=k8s.io', ...args);
    await eventually(() => ctr('version'), { timeoutMs: 30_000, what: 'containerd answers' });
    for (const { path } of images) await ctr('images', 'import', path);
  } finally {
    daemon.kill();
    await ended;
    await rm(scratch, { recursive: true, force: true });
  }
}
