import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineNode } from '../test/machines/machine-node.ts';
import { rawSystem, type SystemFile, type SystemSpec } from '../test/machines/tree/system.ts';
import { startWorld, type World } from '../test/machines/world.ts';
import { buildProductImage } from '../tools/image/build-image.ts';
import { followConsole } from './console-lines.ts';
import { bold, chapter, say } from './screen.ts';
import { applyFile, kubectl, type Stage } from './stage.ts';
import { isComplete, watchRollout } from './watch.ts';

const FIRST = 'v1.35.1';
const SECOND = 'v1.35.2';
const BROKEN = 'v1.35.3';
/** Emulated without the help of hardware, beside whatever else the computer does. */
const PATIENCE_MS = 900_000;
const NODES = [
  ...['get', 'nodes', '-o'],
  'custom-columns=NAME:.metadata.name,OS-IMAGE:.status.nodeInfo.osImage',
];

interface Scenery extends Stage {
  readonly world: World;
  readonly node: MachineNode;
}

/** Who plays it, and on what: `process` is one. */
interface Player {
  readonly arch: string;
  getuid?(): number;
}

/** What keeps the story from being played here, and the way out; undefined if nothing does. */
export function machinesObstacle({ arch, getuid }: Player): string | undefined {
  if (arch !== 'x64')
    return `The emulated machine is an x86-64 one, and its programs come from this computer, which is ${arch}: play it on x86-64.`;
  return getuid?.() === 0
    ? undefined
    : 'This demo makes disks and adds an address, which only root may: sudo npm run demo -- machines';
}

/** The story of one whole machine: an upgrade, a rollback, and a system whose kernel panics. */
export async function playMachines(stack: AsyncDisposableStack): Promise<void> {
  const scenery = await setTheStage(stack);
  await upgrade(scenery);
  await rollBack(scenery);
  await surviveBrokenSystem(scenery);
  chapter('Where to go next');
  say('docs/agent.md              what a node must have, and booting the other slot by hand');
  say('docs/evidence/machines.md  what such machines went through: power cuts, broken disks, broken systems');
  say('npm run test:machines      the same on this computer; -- --list names the cases');
  say('npm run demo               a fleet of nodes: budgets, drains, a damaged image\n');
}

async function setTheStage(stack: AsyncDisposableStack): Promise<Scenery> {
  chapter('A Kubernetes control plane and one whole machine');
  say('Making systems (Debian, kernel, containerd, kubelet) and our container image; the first time this');
  say('takes some minutes …');
  const systems = [FIRST, SECOND].map(version => systemOf({ version }));
  for (const system of [...systems, brokenSystem()]) await rawSystem(system);
  await buildProductImage();
  say('Starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler and our controller …');
  const world = await startWorld('demo');
  stack.defer(() => world.stop());
  const desk = join(world.cluster.dir, 'desk');
  mkdirSync(desk);
  say('The machine is switched on: QEMU, UEFI, GRUB, slots ROOT-A and ROOT-B, a kubelet …\n');
  const node = await world.addNode({
    ...{ name: 'node-1', firmware: 'uefi', system: systemOf({ version: FIRST }) },
    labels: { 'upgrade.openeuler.org/node-selector': 'demo' },
    // Its kernel says who it is.
    kernelArgs: ['loglevel=6'],
  });
  const console = followConsole(node.machine.console);
  await node.untilReady({ timeoutMs: PATIENCE_MS });
  await node.untilAgentRuns(PATIENCE_MS);
  say(`${console.lines().join('\n')}\n`);
  const scenery = { stack, cluster: world.cluster, desk, world, node };
  await kubectl(scenery, ...NODES);
  return scenery;
}

/** The login prompt tells which system it is. */
const systemOf = (spec: SystemSpec): SystemSpec => ({
  ...spec,
  files: { ...spec.files, 'etc/issue': '\\S \\n \\l\n' },
});

const brokenSystem = (): SystemSpec => {
  const files = { 'sbin/init': '#!/bin/sh\necho c > /proc/sysrq-trigger\n' };
  return systemOf({ version: BROKEN, files, executable: ['sbin/init'] });
};

async function upgrade(scenery: Scenery): Promise<void> {
  chapter(`An upgrade from ${FIRST} to ${SECOND}`);
  const file = await rawSystem(systemOf({ version: SECOND }));
  await applyFile(scenery, 'upgrade.yaml', upgradeYaml(scenery, 'to-v1-35-2', SECOND, file));
  say('Written to the slot that does not run and read back; then one trial boot, and the machine shows:\n');
  await watch(scenery, ['osupgrade', 'to-v1-35-2']);
  say(`\nThe trial was confirmed, and ${bold('slot B')} is the default now.\n`);
  await kubectl(scenery, ...NODES);
}

async function rollBack(scenery: Scenery): Promise<void> {
  chapter(`A rollback from ${SECOND} to ${FIRST}`);
  await applyFile(scenery, 'rollback.yaml', ROLLBACK);
  say('By the other API, openEuler KubeOS’s. Nothing is downloaded: the old system lies in slot A.\n');
  await watch(scenery, ['os', 'back']);
  say('');
  await kubectl(scenery, ...NODES);
}

async function surviveBrokenSystem(scenery: Scenery): Promise<void> {
  chapter(`${BROKEN}, whose kernel panics`);
  const file = await rawSystem(brokenSystem());
  await applyFile(scenery, 'upgrade-2.yaml', upgradeYaml(scenery, 'to-v1-35-3', BROKEN, file));
  say('Its checksum is right, so it is tried, once:\n');
  const name = await watch(scenery, ['osupgrade', 'to-v1-35-3']);
  say(`\n${bold('The machine came back by itself')}: GRUB had been told to try slot B for one boot only.\n`);
  await kubectl(scenery, 'get', 'osupgradeprogress', name, '-o', 'jsonpath={.status.message}');
  await kubectl(scenery, ...NODES);
}

/** @returns the name of the progress object */
async function watch(scenery: Scenery, request: readonly [string, string]): Promise<string> {
  const console = followConsole(scenery.node.machine.console);
  const own = await watchRollout(scenery, {
    ...{ request, tables: [['get', 'osupgradeprogresses']], patienceMs: PATIENCE_MS },
    footer: console.lines,
    isOver: (seen, progresses) =>
      isComplete(seen) || progresses.some(({ status }) => isOver(status?.phase ?? '')),
  });
  return own[0]?.metadata.name ?? '';
}

const isOver = (phase: string): boolean => ['Failed', 'RolledBack'].includes(phase);

const upgradeYaml = (
  { world }: Scenery,
  name: string,
  version: string,
  file: SystemFile,
): string => `apiVersion: monok8s.io/v1alpha1
kind: OSUpgrade
metadata:
  name: ${name}
spec:
  version: ${version}
  catalog:
    inline: |
      images:
        - version: ${version}
          url: ${world.url(world.serve(file).path)}
          checksum: ${file.zstChecksum}
          size: ${file.sizeBytes}
          flagSafe: true   # plain http, as the server is on this computer
`;

const ROLLBACK = `apiVersion: upgrade.openeuler.org/v1alpha1
kind: OS
metadata:
  name: back
spec:
  imagetype: ""
  opstype: rollback
  osversion: KubeOS ${FIRST.slice(1)}
  nodeselector: demo
  maxunavailable: 1
  dockerimage: ""
  imageurl: ""
  checksum: ""
  flagSafe: false
  mtls: false
`;
