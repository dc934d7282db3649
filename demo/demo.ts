import { setTimeout as delay } from 'node:timers/promises';
import type { OSUpgrade, OSUpgradeProgress } from '../src/api/monok8s/index.ts';
import { eventually } from '../test/env/wait.ts';
import { bold, chapter, dim, liveBlock, progressLines, say, showCommand } from './screen.ts';
import {
  buildImages,
  ctl,
  install,
  raiseControlPlane,
  readWorkload,
  repairImage,
  type Stage,
  serveImages,
  startDemoController,
  startNodes,
  VERSIONS,
  writeUpgrade,
} from './stage.ts';

const NODE_COLUMNS = 'custom-columns=NAME:.metadata.name,OS:.status.nodeInfo.osImage';
const PATIENCE_MS = 300_000;

/** Runs `kubectl` as a person would, and shows command and output. */
async function kubectl({ cluster }: Pick<Stage, 'cluster'>, ...args: string[]): Promise<string> {
  const { stdout } = await cluster.kubectl(args);
  showCommand(`kubectl ${args.map(quote).join(' ')}`, stdout);
  return stdout;
}

const quote = (word: string): string => (/[{}*' ]/.test(word) || word.includes(':.') ? `'${word}'` : word);

async function read<T>({ cluster }: Pick<Stage, 'cluster'>, ...args: string[]): Promise<T> {
  return JSON.parse((await cluster.kubectl(['get', ...args, '-o', 'json'])).stdout);
}

/** Shows the three tables that a person would watch, until `isOver` says so of the request. */
async function watchRollout(
  stage: Stage,
  request: string,
  isOver: (upgrade: OSUpgrade, progresses: readonly OSUpgradeProgress[]) => boolean,
): Promise<readonly OSUpgradeProgress[]> {
  const block = liveBlock();
  const startedMs = performance.now();
  for (;;) {
    const [upgrades, progresses, nodes, upgrade, list] = await Promise.all([
      stage.cluster.kubectl(['get', 'osupgrades']),
      stage.cluster.kubectl(['get', 'osupgradeprogresses'], { allowFailure: true }),
      stage.cluster.kubectl(['get', 'nodes', '-o', NODE_COLUMNS]),
      read<OSUpgrade>(stage, 'osupgrade', request),
      read<{ items: OSUpgradeProgress[] }>(stage, 'osupgradeprogresses'),
    ]);
    const own = list.items.filter(({ spec }) => spec.sourceRef.name === request);
    block.draw(
      [
        dim('$ kubectl get osupgrades'),
        upgrades.stdout.trimEnd(),
        dim('$ kubectl get osupgradeprogresses'),
        progresses.stdout.trimEnd() || 'No resources found',
        dim(`$ kubectl get nodes -o ${quote(NODE_COLUMNS)}`),
        nodes.stdout.trimEnd(),
        '',
        progressLines(own) || 'the controller is looking at the request',
      ].join('\n'),
      nodes.stdout + own.map(({ status }) => status?.phase).join(),
    );
    if (isOver(upgrade, own)) return own;
    if (performance.now() - startedMs > PATIENCE_MS)
      throw new Error(
        `${request} did not end within ${PATIENCE_MS / 1000} s: ${JSON.stringify(upgrade.status)}`,
      );
    await delay(500);
  }
}

const isComplete = ({ status }: OSUpgrade): boolean =>
  status?.conditions?.some(({ type, status: value }) => type === 'Complete' && value === 'True') ?? false;

async function setTheStage(stack: AsyncDisposableStack): Promise<Stage> {
  chapter('A Kubernetes control plane and three machines');
  say('Building two system images (ext4, zstd) …');
  const images = await buildImages();
  say('Starting etcd, kube-apiserver, kube-controller-manager and kube-scheduler …');
  const cluster = await raiseControlPlane(stack);
  const server = await serveImages(stack, images);
  for (const part of ['rbac', 'agent'])
    showCommand(`ctl create ${part} | kubectl apply -f -`, summary(await install(cluster, part)));
  say('Three machines boot. Each has two slots, a real GRUB environment and the real agent …');
  const nodes = await startNodes(stack, cluster);
  await startDemoController(stack, cluster);
  await cluster.kubectl(['apply', '-f', '-'], { stdin: await readWorkload() });
  const stage = { cluster, server, nodes, images };
  await eventually(() => isFleetReady(stage), { timeoutMs: 60_000, what: 'all agents have reported' });
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  await kubectl(stage, 'get', 'nodes', '-L', 'monok8s.io/managed');
  return stage;
}

const summary = (applied: string): string => {
  const lines = applied.trimEnd().split('\n');
  return lines.length > 4 ? [...lines.slice(0, 3), `… and ${lines.length - 3} more`].join('\n') : applied;
};

async function isFleetReady({ cluster, nodes }: Stage): Promise<boolean> {
  const { stdout } = await cluster.kubectl(['get', 'nodes', '-l', 'monok8s.io/managed=true', '-o', 'name']);
  return stdout.trim().split('\n').length === nodes.length;
}

async function upgradeFleet(stage: Stage): Promise<void> {
  chapter(`An upgrade from ${VERSIONS.first} to ${VERSIONS.second}`);
  const { path, text } = await writeUpgrade(stage, 'to-v1-35-1', stage.images.second);
  say(dim(text));
  await stage.cluster.kubectl(['apply', '-f', path]);
  showCommand('kubectl apply -f upgrade.yaml', 'osupgrade.monok8s.io/to-v1-35-1 created');
  say('The image is written to the spare slot while the node serves. Then drain, one trial boot, confirm.\n');
  await watchRollout(stage, 'to-v1-35-1', isComplete);
  say(`\nEvery machine runs ${bold(VERSIONS.second)}; the control plane went first, one node at a time.\n`);
  showCommand('ctl status', await ctl(stage.cluster, 'status'));
  await kubectl(stage, 'get', 'deployment', 'web');
}

async function surviveBadImage(stage: Stage): Promise<void> {
  chapter(`A damaged image of ${VERSIONS.third}, and a retry`);
  const { path } = await writeUpgrade(stage, 'to-v1-35-2', stage.images.third);
  await stage.cluster.kubectl(['apply', '-f', path]);
  showCommand('kubectl apply -f upgrade-2.yaml', 'osupgrade.monok8s.io/to-v1-35-2 created');
  const own = await watchRollout(stage, 'to-v1-35-2', (_, objects) =>
    objects.some(({ status }) => status?.phase === 'Failed'),
  );
  const failed = own.find(({ status }) => status?.phase === 'Failed');
  if (failed === undefined) throw new Error('no node refused the damaged image');
  const { name } = failed.metadata;
  say(
    `\n${bold('Refused')}: what came is not what the catalog promised. The node still runs the old version,`,
  );
  say('nothing was drained, and the rollout stops at this node.\n');
  await kubectl(stage, 'get', 'osupgradeprogress', name, '-o', 'jsonpath={.status.message}');
  say('Now the file on the server is repaired, and the node is told to try again:\n');
  repairImage(stage.server, stage.images.third);
  const patch = '{"spec":{"retryNonce":"retry-1"}}';
  await kubectl(stage, 'patch', 'osupgradeprogress', name, '--type', 'merge', '-p', patch);
  await watchRollout(stage, 'to-v1-35-2', isComplete);
  say(`\nEvery machine runs ${bold(VERSIONS.third)}.`);
}

function sayGoodbye(): void {
  chapter('Where to go next');
  say('docs/osupgrade.md        every field of an upgrade, catalogs, windows, budgets');
  say('docs/agent.md            what a node must have, and booting the other slot by hand');
  say('docs/troubleshooting.md  what each reason means, and what to do');
  say('ARCHITECTURE.md          how it is built');
  say('npm test                 the same parts, with everything that can go wrong\n');
}

async function main(): Promise<void> {
  const startedMs = performance.now();
  await using stack = new AsyncDisposableStack();
  process.once('SIGINT', () => void stack.disposeAsync().finally(() => process.exit(130)));
  const stage = await setTheStage(stack);
  await upgradeFleet(stage);
  await surviveBadImage(stage);
  sayGoodbye();
  say(
    dim(
      `${((performance.now() - startedMs) / 1000).toFixed(0)} s. Everything that was started is being stopped.`,
    ),
  );
}

await main();
