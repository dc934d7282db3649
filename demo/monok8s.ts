import { type ImageServer, startImageServer } from '../test/env/image-server.ts';
import { buildImage, type Image } from '../test/env/images.ts';
import { bold, chapter, say } from './screen.ts';
import {
  applyFile,
  BYTES_PER_SECOND,
  installAgents,
  kubectl,
  raiseStage,
  SIZES,
  type Stage,
  showStatus,
  startNodes,
  startWork,
} from './stage.ts';
import { GET_SYSTEMS, hasFailure, isComplete, watchRollout } from './watch.ts';

const VERSIONS = { first: 'v1.34.1', second: 'v1.35.1', third: 'v1.35.2' } as const;
const TABLES = [['get', 'osupgrades'], ['get', 'osupgradeprogresses'], GET_SYSTEMS];

interface Images {
  readonly server: ImageServer;
  readonly second: Image;
  readonly third: Image;
}

/** The story of `OSUpgrade`: an upgrade, a damaged image, a retry. */
export async function playMonok8s(stack: AsyncDisposableStack): Promise<void> {
  const { stage, images } = await setTheStage(stack);
  await upgradeFleet(stage, images);
  await surviveBadImage(stage, images);
  chapter('Where to go next');
  say('npm run demo -- openeuler  the same for openEuler KubeOS: kubectl apply -f upgrade_v1alpha1_os.yaml');
  say('docs/osupgrade.md          every field of an upgrade, catalogs, windows, budgets');
  say('docs/agent.md              what a node must have, and booting the other slot by hand');
  say('docs/troubleshooting.md    what each reason means, and what to do');
  say('ARCHITECTURE.md            how it is built');
  say('npm test                   the same parts, with everything that can go wrong\n');
}

async function setTheStage(stack: AsyncDisposableStack): Promise<{ stage: Stage; images: Images }> {
  chapter('A Kubernetes control plane and three machines');
  say('Building two system images (ext4, zstd) …');
  const [second, third] = [VERSIONS.second, VERSIONS.third].map(version => buildImage({ version, ...SIZES }));
  if (second === undefined || third === undefined) throw new Error('there are two images');
  const images = await serveImages(stack, await second, await third);
  say('Starting etcd, kube-apiserver, kube-controller-manager and kube-scheduler …');
  const stage = await raiseStage(stack);
  await installAgents(stage);
  say('Three machines boot. Each has two slots, a real GRUB environment and the real agent …');
  const nodes = await startNodes(stage, { version: VERSIONS.first }, 2);
  await startWork(stage, nodes.length);
  await kubectl(stage, 'get', 'nodes', '-L', 'monok8s.io/managed');
  return { stage, images };
}

/** Serves both images. The last one is damaged on its way, as by a bad disk, until it is repaired. */
async function serveImages(stack: AsyncDisposableStack, second: Image, third: Image): Promise<Images> {
  const server = await startImageServer({
    files: { [pathOf(second)]: second.zstPath, [pathOf(third)]: third.zstPath },
  });
  stack.defer(() => server.close());
  const slow = { kind: 'slow', bytesPerSecond: BYTES_PER_SECOND } as const;
  server.setFaults(pathOf(second), slow);
  server.setFaults(pathOf(third), slow, { kind: 'wrongByte', atBytes: 5_000_000 });
  return { server, second, third };
}

const pathOf = (image: Image): string => `/${image.version}/rootfs.ext4.zst`;

async function upgradeFleet(stage: Stage, { server, second }: Images): Promise<void> {
  chapter(`An upgrade from ${VERSIONS.first} to ${VERSIONS.second}`);
  await applyFile(stage, 'upgrade.yaml', upgradeOf('to-v1-35-1', server, second));
  say('The image is written to the spare slot while the node serves. Then drain, one trial boot, confirm.\n');
  await watchRollout(stage, { request: ['osupgrade', 'to-v1-35-1'], tables: TABLES, isOver: isComplete });
  say(`\nEvery machine runs ${bold(VERSIONS.second)}; the control plane went first, one node at a time.\n`);
  await showStatus(stage);
  await kubectl(stage, 'get', 'deployment', 'web');
}

async function surviveBadImage(stage: Stage, { server, third }: Images): Promise<void> {
  chapter(`A damaged image of ${VERSIONS.third}, and a retry`);
  await applyFile(stage, 'upgrade-2.yaml', upgradeOf('to-v1-35-2', server, third));
  const watch = { request: ['osupgrade', 'to-v1-35-2'], tables: TABLES } as const;
  const own = await watchRollout(stage, { ...watch, isOver: hasFailure });
  const name = own.find(({ status }) => status?.phase === 'Failed')?.metadata.name ?? '';
  say(
    `\n${bold('Refused')}: what came is not what the catalog promised. The node still runs the old version,`,
  );
  say('nothing was drained, and the rollout stops at this node.\n');
  await kubectl(stage, 'get', 'osupgradeprogress', name, '-o', 'jsonpath={.status.message}');
  say('Now the file on the server is repaired, and the node is told to try again:\n');
  server.setFaults(pathOf(third), { kind: 'slow', bytesPerSecond: BYTES_PER_SECOND });
  const patch = '{"spec":{"retryNonce":"retry-1"}}';
  await kubectl(stage, 'patch', 'osupgradeprogress', name, '--type', 'merge', '-p', patch);
  await watchRollout(stage, { ...watch, isOver: isComplete });
  say(`\nEvery machine runs ${bold(VERSIONS.third)}.`);
}

const upgradeOf = (
  name: string,
  server: ImageServer,
  image: Image,
): string => `apiVersion: monok8s.io/v1alpha1
kind: OSUpgrade
metadata:
  name: ${name}
spec:
  version: ${image.version}
  nodeSelector: {}
  catalog:
    inline: |
      stable: ${image.version}
      images:
        - version: ${image.version}
          url: ${server.url}${pathOf(image)}
          checksum: ${image.checksum}
          size: ${image.sizeBytes}
`;
