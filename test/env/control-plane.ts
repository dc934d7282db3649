import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { findControlPlane, type ProgramName } from '../../tools/lib/binaries.mjs';
import type { Authority } from './control-plane-certificates.ts';
import { generateKeyPem } from './control-plane-certificates.ts';
import { findFreePort } from './control-plane-ports.ts';
import { type Daemon, startDaemon } from './control-plane-process.ts';

/** The files and the address that the programs of one control plane share. */
export interface ControlPlaneSite {
  /** Folder of everything: data, logs, certificates. */
  readonly dir: string;
  readonly port: number;
}

// Loopback, the host as an emulated machine sees it, and the service `kubernetes`.
const SERVER_ADDRESSES = ['127.0.0.1', '10.0.2.2', '10.96.0.1'];

/** Prepares what the programs read: certificates and keys, in `dir`. */
export async function prepareSite(dir: string, authority: Authority): Promise<ControlPlaneSite> {
  const server = authority.issue({ commonName: 'kube-apiserver', ipAddresses: SERVER_ADDRESSES });
  const kubeletClient = authority.issue({ commonName: 'kube-apiserver', groups: ['system:masters'] });
  const files = {
    'ca.crt': authority.certificatePem,
    'ca.key': authority.keyPem,
    'server.crt': server.certificatePem,
    'server.key': server.keyPem,
    'kubelet-client.crt': kubeletClient.certificatePem,
    'kubelet-client.key': kubeletClient.keyPem,
    'service-accounts.key': generateKeyPem(),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
  return { dir, port: await findFreePort() };
}

/**
 * Starts etcd on a unix socket in its folder: no port to collide, no other user of the machine gets in. It never
 * calls fsync, as nothing here outlives the test.
 */
export function startEtcd(site: ControlPlaneSite): Daemon {
  // etcd wants "host:port" and makes it a file name, relative to where it runs.
  const [client, peer] = ['unix://etcd:1', 'unix://etcd:2'];
  return start(site, 'etcd', [
    '--name=test',
    '--data-dir=etcd',
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=test=${peer}`,
    '--unsafe-no-fsync',
    '--log-level=error',
  ]);
}

/** The socket on which etcd answers. */
export const etcdSocket = (site: ControlPlaneSite): string => join(site.dir, 'etcd:1');

/** How the API server is set up. */
export interface ApiServerOptions {
  /** Added to its command line. */
  readonly apiServerFlags?: readonly string[];
  /** Default false. Real kubelets run pods: these get tokens of their ServiceAccount. */
  readonly hasKubelets?: boolean;
}

/** Starts the API server with RBAC and Node authorization, as a production cluster has them. */
export const startApiServer = (site: ControlPlaneSite, options: ApiServerOptions): Daemon =>
  start(site, 'kube-apiserver', [
    `--etcd-servers=unix://${etcdSocket(site)}`,
    // Compaction happens when a test asks for it.
    '--etcd-compaction-interval=0',
    '--bind-address=127.0.0.1',
    `--secure-port=${site.port}`,
    '--tls-cert-file=server.crt',
    '--tls-private-key-file=server.key',
    '--client-ca-file=ca.crt',
    '--service-account-issuer=https://kubernetes.default.svc',
    '--service-account-key-file=service-accounts.key',
    '--service-account-signing-key-file=service-accounts.key',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    // It would refuse a pod of a new namespace until its default ServiceAccount is there, and mount tokens that
    // no pod here reads.
    ...(options.hasKubelets ? KUBELET_FLAGS : ['--disable-admission-plugins=ServiceAccount']),
    '--allow-privileged',
    ...(options.apiServerFlags ?? []),
  ]);

const KUBELET_FLAGS = [
  '--kubelet-client-certificate=kubelet-client.crt',
  '--kubelet-client-key=kubelet-client.key',
  '--kubelet-preferred-address-types=InternalIP',
];

/** How soon the controller manager notices that a kubelet is silent. */
export interface NodeMonitor {
  /** A node whose Lease was not renewed for so long becomes NotReady. Default 20. */
  readonly nodeMonitorGraceSeconds?: number;
}

/** Starts the controller manager: it counts for PodDisruptionBudgets, collects garbage, keeps DaemonSets. */
export const startControllerManager = (
  site: ControlPlaneSite,
  kubeconfig: string,
  monitor: NodeMonitor,
): Daemon =>
  start(site, 'kube-controller-manager', [
    `--kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--secure-port=0',
    // Its start makes a ServiceAccount for each controller.
    '--kube-api-qps=500',
    '--kube-api-burst=500',
    '--use-service-account-credentials',
    '--service-account-private-key-file=service-accounts.key',
    '--root-ca-file=ca.crt',
    '--cluster-signing-cert-file=ca.crt',
    '--cluster-signing-key-file=ca.key',
    '--node-monitor-period=1s',
    `--node-monitor-grace-period=${monitor.nodeMonitorGraceSeconds ?? 20}s`,
  ]);

/** Starts the scheduler. */
export const startScheduler = (site: ControlPlaneSite, kubeconfig: string): Daemon =>
  start(site, 'kube-scheduler', [`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--secure-port=0']);

/** Discards etcd's history: an API server that is started after it answers 410 to older resource versions. */
export async function compactEtcd(site: ControlPlaneSite): Promise<void> {
  const { Client } = await import('undici');
  const etcd = new Client('http://localhost', { socketPath: etcdSocket(site) });
  try {
    const call = async (path: string, body: object): Promise<unknown> => {
      const answer = await request(`http://localhost${path}`, {
        dispatcher: etcd,
        method: 'POST',
        body: JSON.stringify(body),
      });
      if (answer.statusCode !== 200) throw new Error(`etcd ${path}: ${await answer.body.text()}`);
      return answer.body.json();
    };
    const { header } = JSON.parse(JSON.stringify(await call('/v3/maintenance/status', {})));
    await call('/v3/kv/compaction', { revision: header.revision, physical: true });
  } finally {
    await etcd.close();
  }
}

function start(site: ControlPlaneSite, name: ProgramName, args: readonly string[]): Daemon {
  const place = { cwd: site.dir, logFile: join(site.dir, `${name}.log`) };
  return startDaemon(findControlPlane()[name].path, args, place);
}
