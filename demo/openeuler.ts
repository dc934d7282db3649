import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ImageServer, startImageServer } from '../test/env/image-server.ts';
import { buildImage, buildRootTar, type Image } from '../test/env/images.ts';
import type { EmulatedNode } from '../test/env/node/emulated-node.ts';
import { putFile } from '../test/env/node/node-files.ts';
import { type Registry, startRegistry } from '../test/env/registry.ts';
import { pushImage } from '../test/env/registry-push.ts';
import { type Rsyslog, startRsyslog } from '../test/env/rsyslog.ts';
import { eventually } from '../test/env/wait.ts';
import { bold, chapter, dim, say, showCommand } from './screen.ts';
import {
  applyFile,
  BYTES_PER_SECOND,
  ctl,
  installAgents,
  kubectl,
  raiseStage,
  type Stage,
  showStatus,
  startNodes,
  startWork,
} from './stage.ts';
import { GET_SYSTEMS, hasFailure, isComplete, watchRollout } from './watch.ts';

const FIRST = '1.0.0';
const SECOND = '1.0.1';
const THIRD = '1.0.2';
/** Smaller than it could be: there are three rollouts to see. */
const SMALL = { sizeMiB: 192, fillMiB: 96 } as const;
const nameOf = (version: string): string => `KubeOS ${version}`;

const YAML = 'upgrade_v1alpha1_os.yaml';
const WATCH = { request: ['os', 'os-sample'], tables: [['get', 'os'], GET_SYSTEMS] } as const;

interface Scenery extends Stage {
  readonly workers: readonly EmulatedNode[];
  readonly log: Rsyslog;
}

/** The story of `OS`: the steps of openEuler KubeOS's document, and an address that is refused. */
export async function playOpeneuler(stack: AsyncDisposableStack): Promise<void> {
  const scenery = await setTheStage(stack);
  const server = await makeImageServer(scenery);
  await upgradeByDisk(scenery, server);
  await refuseInsecure(scenery, server);
  await upgradeByRegistry(scenery);
  await rollBack(scenery);
  chapter('Where to go next');
  say('docs/openeuler.md              every field of an OS, and what is different from KubeOS');
  say('docs/migrating-from-kubeos.md  a cluster that runs KubeOS already, step by step');
  say('docs/troubleshooting.md        what each reason means, and what to do');
  say('npm run demo                   the other API: OSUpgrade, with a catalog of versions\n');
}

async function setTheStage(stack: AsyncDisposableStack): Promise<Scenery> {
  chapter('A Kubernetes control plane and four KubeOS machines');
  say('Starting etcd, kube-apiserver, kube-controller-manager and kube-scheduler …');
  const stage = await raiseStage(stack);
  await installAgents(stage);
  say('One machine of the control plane and three workers boot, each with two partitions and GRUB …\n');
  const [, ...workers] = await startNodes(stage, { version: FIRST, systemName: 'KubeOS' }, 3);
  const [first] = workers;
  if (first === undefined) throw new Error('there are workers');
  const log = await startRsyslog(first.files.root);
  stack.defer(() => log.stop());
  await startWork(stage, workers.length + 1);
  await kubectl(stage, ...GET_SYSTEMS);
  return { ...stage, workers, log };
}

async function makeImageServer(scenery: Scenery): Promise<ImageServer> {
  chapter('An image server with mutual TLS');
  const { stderr } = await ctl(scenery, 'certs', 'create', '--out', 'certs', '--server', '127.0.0.1');
  showCommand('ctl certs create --out certs --server 127.0.0.1', stderr);
  const file = (name: string): Promise<string> => readFile(join(scenery.desk, 'certs', name), 'utf8');
  const [ca, cert, key] = await Promise.all(['ca.crt', 'server.crt', 'server.key'].map(file));
  const tls = { cert: cert ?? '', key: key ?? '', clientCa: ca ?? '' };
  const server = await startImageServer({ tls });
  scenery.stack.defer(() => server.close());
  for (const name of ['ca.crt', 'client.crt', 'client.key'])
    for (const { files } of scenery.workers)
      await putFile(files, `/etc/KubeOS/certs/${name}`, await file(name));
  say(`Done as it says: ${server.url} serves, and the three files lie on every worker.`);
  return server;
}

async function upgradeByDisk(scenery: Scenery, server: ImageServer): Promise<void> {
  chapter(`Upgrade by a disk image: ${nameOf(FIRST)} to ${nameOf(SECOND)}`);
  const image = await buildImage({ version: SECOND, prettyName: nameOf(SECOND), ...SMALL });
  server.serve('/update.img', image.path);
  server.setFaults('/update.img', { kind: 'slow', bytesPerSecond: 2 * BYTES_PER_SECOND });
  await applyFile(scenery, YAML, diskYaml(SECOND, `${server.url}/update.img`, image));
  say('Two at a time: the image is verified on the spare partition, then drain, one trial boot, confirm.\n');
  await watchRollout(scenery, { ...WATCH, isOver: isComplete });
  say(
    `\nEvery worker runs ${bold(nameOf(SECOND))}; KubeOS leaves control-plane nodes out, and so does this.\n`,
  );
}

async function refuseInsecure(scenery: Scenery, server: ImageServer): Promise<void> {
  chapter('An address that is not safe');
  const image = await buildImage({ version: THIRD, prettyName: nameOf(THIRD), ...SMALL });
  const url = `${server.url.replace('https:', 'http:')}/update.img`;
  await applyFile(scenery, YAML, diskYaml(THIRD, url, image));
  await watchRollout(scenery, { ...WATCH, isOver: hasFailure });
  say(
    `\n${bold('Refused')}: nothing was fetched, no machine was disturbed. Status and system log say why:\n`,
  );
  const path = '{.status.conditions[?(@.type=="Degraded")].message}';
  await kubectl(scenery, 'get', 'os', 'os-sample', '-o', `jsonpath=${path}`);
  const line = await eventually(
    async () => (await scenery.log.messages()).split('\n').find(text => text.includes('InsecureAddress')),
    { timeoutMs: 10_000, what: 'the system log of node-1 tells of the address' },
  );
  say(dim('on node-1:'));
  showCommand('grep node-agent /var/log/messages', line);
}

async function upgradeByRegistry(scenery: Scenery): Promise<void> {
  chapter(`Upgrade by a container image: ${nameOf(SECOND)} to ${nameOf(THIRD)}`);
  if (process.getuid?.() !== 0) {
    say('Left out: a container image is unpacked onto the mounted partition, and only root may mount.');
    say('As root (sudo npm run demo -- openeuler) this chapter is played too.');
    return;
  }
  const registry = await startRegistry({ tls: true });
  scenery.stack.defer(() => registry.stop());
  await trustRegistry(scenery, registry);
  const tar = await buildRootTar({ version: THIRD, prettyName: nameOf(THIRD), fillMiB: 40 });
  const layer = { tar: await readFile(tar.path), compression: 'gzip' } as const;
  await pushImage(registry, { repository: 'kubeos/os', tag: THIRD, platforms: [{ layers: [layer] }] });
  const reference = `${registry.host}/kubeos/os:${THIRD}`;
  say(`A registry has ${reference}; its authority lies in /etc/containerd/certs.d.\n`);
  await applyFile(scenery, YAML, dockerYaml(reference));
  await watchRollout(scenery, { ...WATCH, isOver: isComplete });
  say(`\nThe correction was a new rollout: every worker runs ${bold(nameOf(THIRD))}.\n`);
}

async function trustRegistry({ workers }: Scenery, { host, authority }: Registry): Promise<void> {
  const folder = `/etc/containerd/certs.d/${host}`;
  for (const { files } of workers) await putFile(files, `${folder}/ca.crt`, authority?.certificatePem ?? '');
}

async function rollBack(scenery: Scenery): Promise<void> {
  const { osImage } = (await systemOf(scenery, 'node-1')) ?? {};
  const previous = osImage === nameOf(THIRD) ? SECOND : FIRST;
  chapter(`Rollback to the previous partition: ${nameOf(previous)}`);
  await applyFile(scenery, YAML, rollbackYaml(previous));
  await watchRollout(scenery, { ...WATCH, isOver: isComplete });
  say('\nNothing was downloaded: the other partition still held it.\n');
  await showStatus(scenery);
  await kubectl(scenery, ...GET_SYSTEMS);
}

async function systemOf({ cluster }: Stage, node: string): Promise<{ osImage: string }> {
  const { stdout } = await cluster.kubectl(['get', 'node', node, '-o', 'jsonpath={.status.nodeInfo}']);
  return JSON.parse(stdout);
}

const HEAD = `apiVersion: upgrade.openeuler.org/v1alpha1
kind: OS
metadata:
  name: os-sample
spec:`;

const diskYaml = (version: string, url: string, image: Image): string => `${HEAD}
  imagetype: disk
  opstype: upgrade
  osversion: ${nameOf(version)}
  maxunavailable: 2
  dockerimage: ""
  imageurl: ${url}
  checksum: ${image.rawChecksum.replace('sha256:', '')}
  flagSafe: false
  mtls: true
  cacert: ca.crt
  clientcert: client.crt
  clientkey: client.key
`;

const dockerYaml = (reference: string): string => `${HEAD}
  imagetype: docker
  opstype: upgrade
  osversion: ${nameOf(THIRD)}
  maxunavailable: 3
  dockerimage: ${reference}
  imageurl: ""
  checksum: ""
  flagSafe: false
  mtls: true
`;

const rollbackYaml = (version: string): string => `${HEAD}
  imagetype: ""
  opstype: rollback
  osversion: ${nameOf(version)}
  maxunavailable: 3
  dockerimage: ""
  imageurl: ""
  checksum: ""
  flagSafe: false
  mtls: true
`;
